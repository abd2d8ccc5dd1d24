package api

// Finding is one thing that `orc doctor` looked at.
type Finding struct {
	// Node is the node's ID, NodeName its name; both are empty for what concerns the
	// whole cluster.
	Node     string `json:"node,omitempty"`
	NodeName string `json:"nodeName,omitempty"`
	// Subject is a word or two: kernel, MTU, clock.
	Subject string `json:"subject"`
	Level   Level  `json:"level"`
	// Message says what was found and, unless all is well, what to do.
	Message string `json:"message"`
}

// Level says how bad a finding is.
type Level string

// The levels.
const (
	LevelOK      Level = "ok"
	LevelWarning Level = "warning" // works, but not as it should
	LevelProblem Level = "problem" // does not work
)
