"""Three training steps of a config on two processes, of which only the first has anything to learn from.

Started by the fixture ``train_on_two_ranks`` (conftest.py), through torchrun. The image of the first process
shows a person on stuff, and the backpack that the person wears: boxes overlap, and so do masks. The other
process has a void image: its losses are finite, its weights stay those of the first, and neither waits.
"""

import argparse
import sys

import torch
import torch.distributed as dist
from mmengine.config import DictAction

from panoptic_core.engine.config.loading import load_config
from panoptic_core.engine.distributed import end_process, join_processes, leave_processes

SIZE = (64, 96)
STUFF, PERSON, BACKPACK = 8, 0, 6  # labels of the generated scenes


def make_sample(has_targets: bool) -> object:
    """Return a data sample with all that a method here reads: instances, semantics, segments, centers."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData, PixelData

    from panoptic_data.transforms import WindowMasks
    from panoptic_fusion import PanopticSegmentation, encode_centers

    ids = torch.zeros(SIZE, dtype=torch.int64)
    labels = torch.full(SIZE, 255)
    boxes = torch.zeros(0, 4)
    if has_targets:
        boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0], [16.0, 16.0, 32.0, 32.0]])
        ids[:], labels[:] = 1, STUFF
        ids[8:40, 8:40], labels[8:40, 8:40] = 2, PERSON
        ids[16:32, 16:32], labels[16:32, 16:32] = 3, BACKPACK
    number = len(boxes)
    crops = [torch.ones(32, 32).numpy(), torch.ones(16, 16).numpy()][:number]
    sample = DetDataSample(metainfo={"img_shape": SIZE, "ori_shape": SIZE, "scale_factor": (1.0, 1.0)})
    sample.gt_instances = InstanceData(
        bboxes=boxes,
        labels=torch.tensor([PERSON, BACKPACK])[:number],
        masks=WindowMasks(crops, boxes.numpy(), *SIZE),
        segment_ids=torch.tensor([2, 3])[:number],
    )
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    sample.gt_sem_seg = PixelData(sem_seg=labels[None])
    sample.gt_panoptic = PanopticSegmentation.from_id_map(
        ids, [1, 2, 3], [STUFF, PERSON, BACKPACK], [False, True, True]
    )
    centers = encode_centers(sample.gt_panoptic)
    sample.gt_centers = PixelData(
        heatmap=centers.heatmap,
        offsets=centers.offsets,
        heatmap_mask=centers.heatmap_mask[None],
        offset_mask=centers.offset_mask[None],
        semantic_weight=centers.semantic_weight[None],
    )
    return sample


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--cfg-options", nargs="*", action=DictAction, default={})
    parser.add_argument("--only-with-targets", nargs="*", default=[], metavar="LOSS")
    args = parser.parse_args()
    cfg = load_config(args.config)  # puts our operators in place, before anything of mmdet is imported
    cfg.merge_from_dict(args.cfg_options)
    from mmengine.registry import MODELS

    join_processes("pytorch")
    rank = dist.get_rank()
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(MODELS.build(cfg.model).train())
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for step in range(3):
        image = torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8)
        batch = {"inputs": [image], "data_samples": [make_sample(has_targets=rank == 0)]}
        total, logs = model.module.parse_losses(
            model(**model.module.data_preprocessor(batch, True), mode="loss")
        )
        assert torch.isfinite(total), logs
        for name in args.only_with_targets:
            assert (logs[name] > 0) == (rank == 0), logs
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        weights = sum(parameter.double().sum() for parameter in model.parameters()).detach()
        of_first = weights.clone()
        dist.broadcast(of_first, 0)
        assert weights == of_first, (step, weights, of_first)
    print(f"rank {rank} is done")
    leave_processes()


if __name__ == "__main__":
    main()
    sys.exit(end_process(0))
