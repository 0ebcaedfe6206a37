def edit(p, *pairs):
    s=open(p).read()
    for a,b in pairs:
        assert s.count(a)>=1,(p,s.count(a),a)
        s=s.replace(a,b)
    open(p,'w').write(s)
edit('tests/unit/test_rolling_simulation.py',('''    assert set(first.refusals) == wanted - set(world.worked_on[:-1])
''','''    undone = wanted - set(world.worked_on[:-1])
    # (Without a quorum, nobody can say that all is well with it.)
    assert set(first.refusals) == undone if world.quorate() else set(first.refusals) >= undone
'''),('            if not world.quorate():  # one of two managers, left stopped: deploys/docker.py starts it\n','            if not world.quorate():  # it was left stopped, and deploys/docker.py starts it\n'))
