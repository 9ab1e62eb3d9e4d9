"""No module of the package imports another in a ring, counting imports inside functions."""

from __future__ import annotations

import grimp
import networkx


def test_imports_go_in_no_circle():
    graph = grimp.build_graph("abl", cache_dir=None, exclude_type_checking_imports=True)
    imports = networkx.DiGraph(
        (importer, imported)
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    )
    assert len(imports) > 200
    rings = [sorted(ring) for ring in networkx.strongly_connected_components(imports)]
    assert [ring for ring in rings if len(ring) > 1] == []
