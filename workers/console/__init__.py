"""The web page: a further consumer of the topics, which may be stopped at any time and changes no list.

Whatever it holds is bounded, whoever reads too slowly is dropped, and it belongs to no consumer group.
"""
