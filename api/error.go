package api

import (
	"errors"
	"fmt"
	"strings"
)

// StaleHeader is in the answer of a manager that does not reach most of the others, or
// whose cluster has split in two: it says so, for what the answer shows may be out of
// date, or not be so elsewhere.
const StaleHeader = "Orc-Stale"

// Code says what sort of error a user meets. The HTTP status, the exit code and
// whether to try again follow from it.
type Code string

// The codes.
const (
	CodeInvalid      Code = "invalid"      // the request is wrong: 400
	CodeUnauthorized Code = "unauthorized" // no or a wrong credential: 401
	CodeForbidden    Code = "forbidden"    // the credential may not do this: 403
	CodeNotFound     Code = "not-found"    // 404
	CodeConflict     Code = "conflict"     // clashes with what exists, or changed meanwhile: 409
	CodeTooLarge     Code = "too-large"    // 413
	CodeUnavailable  Code = "unavailable"  // try again: no leader, node away, disk full: 503
	CodeInternal     Code = "internal"     // 500
)

// Reason says what an error is about, for programs that act on it: its text is for people.
type Reason string

// The reasons.
const (
	ReasonRemoved   Reason = "removed"   // the node that asked is no part of the cluster any more
	ReasonDemoted   Reason = "demoted"   // the manager that asked is a worker now
	ReasonSplit     Reason = "split"     // the manager that asked is another cluster since it was forced to go on
	ReasonUnwritten Reason = "unwritten" // for certain nothing was written, and nothing will be
)

// Error is an error for the user: one line that names the thing and says what
// to do. It crosses the network as it is.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	// Field of a spec that is wrong, by JSON's names and with the elements of lists
	// by their number: container.mounts.0.target. Empty when it is about no field.
	Field string `json:"field,omitempty"`
	// Reason tells programs apart what has the same code; "" where none needs to.
	Reason Reason `json:"reason,omitempty"`
	// Near is the name that was probably meant by one that nothing has; "" if none is.
	Near string `json:"near,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error. A wrapped error (%w) only gives its text.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Errorf(format, args...).Error()}
}

// Invalidf is Errorf with CodeInvalid.
func Invalidf(format string, args ...any) *Error { return Errorf(CodeInvalid, format, args...) }

// wrong is Invalidf for a field of what is validated.
func wrong(field, format string, args ...any) *Error {
	err := Invalidf(format, args...)
	err.Field = field
	return err
}

// within makes of an error about a part one about the whole that has the part in
// field. It begins with what, if that is not empty.
func within(field, what string, err error) error {
	if err == nil {
		return nil
	}
	whole := Invalidf("%w", err)
	if what != "" {
		whole = Invalidf("%s: %w", what, err)
	}
	whole.Field = field
	var part *Error
	if errors.As(err, &part) && part.Field != "" {
		whole.Field = strings.TrimPrefix(field+"."+part.Field, ".")
	}
	return whole
}

// NotFoundf is Errorf with CodeNotFound.
func NotFoundf(format string, args ...any) *Error { return Errorf(CodeNotFound, format, args...) }

// Conflictf is Errorf with CodeConflict.
func Conflictf(format string, args ...any) *Error { return Errorf(CodeConflict, format, args...) }

// Because gives an error its reason, and returns it.
func (e *Error) Because(reason Reason) *Error {
	e.Reason = reason
	return e
}

// ReasonOf returns the reason of the first Error in err's chain, or "".
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// CodeOf returns the code of the first Error in err's chain, or CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
