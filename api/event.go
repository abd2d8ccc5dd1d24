package api

import "time"

// Event tells of something that happened, for `orc events` and for waiting.
type Event struct {
	Time   time.Time `json:"time"`
	Type   string    `json:"type"`   // service, task, node, app, …
	Action string    `json:"action"` // create, update, remove, or a state: running, failed, ready, down
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	// Attributes: service, node, revision, exitCode, message, …
	Attributes map[string]string `json:"attributes,omitempty"`
}
