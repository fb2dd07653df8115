"""Backbones that MMDetection does not have, or not as the papers use them (extra ``[mm]``).

All take images ``(N, 3, H, W)`` of any size and return a tuple of feature maps, finest first; the attributes
`out_channels` and `out_strides` say what each map is.
"""
