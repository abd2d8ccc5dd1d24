package chaos

import "fmt"

// Violation is a promise that was not kept. Any other error of a run says that the
// suite itself could not go on.
type Violation struct {
	Invariant string
	Text      string
}

func (v *Violation) Error() string { return v.Invariant + ": " + v.Text }

func violationf(invariant, format string, args ...any) *Violation {
	return &Violation{Invariant: invariant, Text: fmt.Sprintf(format, args...)}
}
