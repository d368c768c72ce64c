"""The figures' second set of colours: an SVG takes them by itself where its reader prefers dark pages.

Viewers that know no such preference show the light colours, background included.
"""

# Of the page's cards in its dark look (`report/templates/style.css`).
BACKGROUND = "#1B1F26"
# Light → dark; what is not listed stands out from both backgrounds. Those of methods keep their hue and,
# as the light ones, their distance to each other for colour-blind eyes.
COLOURS = {
    "#FFFFFF": BACKGROUND,
    "#1F2430": "#E6E8EC",
    "#7B8190": "#9AA2B1",
    "#E3E5EA": "#2D333D",
    "#332288": "#9A6BFF",
    "#5C3A0A": "#F2DFB8",
    "#882255": "#F7BBD2",
    "#117733": "#7FE87F",
}


def dark(colour: str) -> str:
    """What a colour becomes; `colour` in capitals."""
    return COLOURS.get(colour, colour)


def with_dark(svg: bytes) -> bytes:
    """An SVG of matplotlib's, whose elements name their colours in lower case in `style`."""
    rules = "".join(
        f'[style*="{kind}: {light.lower()}"]{{{kind}: {other.lower()} !important}}'
        for light, other in COLOURS.items()
        for kind in ("fill", "stroke")
    )
    sheet = f"@media (prefers-color-scheme: dark) {{{rules}}}</style>"
    before, end, after = svg.partition(b"</style>")
    if not end:
        raise ValueError("this SVG has no style sheet, so it was not written by matplotlib")
    return before + sheet.encode() + after
