"""Pages fetched from the web itself: politely, safely, and none of them twice."""
