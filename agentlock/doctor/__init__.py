"""`agentlock doctor`: is every worktree guarded, and is the table whole?"""
