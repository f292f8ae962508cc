"""What is found out before the first row: does the mapping fit both databases?"""
