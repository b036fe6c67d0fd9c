def test_x(exported):
    import os
    os.system(f"find {exported} -type f | xargs ls -l; cat {exported}/exports.json")
