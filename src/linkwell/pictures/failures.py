"""Why image bytes gave no picture."""


class PictureFailure(Exception):  # noqa: N818 - an outcome of one image, counted, not an error of the run
    """The outcome of an image that gave no picture.

    Attributes:
        kind: the class, as counted in the report; its message is in `linkwell.populate.MESSAGES`.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
