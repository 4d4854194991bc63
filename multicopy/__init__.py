"""Multicopy: an agent-based simulator of very many copies of one AI working as a collective.

`multicopy.agents` is who acts, `multicopy.model` what time and training do to them, and
`multicopy.analysis` what it means; docs/architecture.md has the map. In the checkout the three are
folders at the top, to which the links beside this file lead.
"""
