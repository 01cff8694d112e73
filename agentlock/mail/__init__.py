"""Mail between the agents of a project: messages, threads, and questions that want an answer."""
