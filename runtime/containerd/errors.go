package containerd

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"syscall"

	remotes "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc/status"

	"github.com/orc-project/orc/runtime"
)

// explain gives an error of containerd's its action, on one line, and the
// sentinel that it stands for.
func explain(action string, err error) error {
	if err == nil {
		return nil
	}
	if full(err) {
		return fmt.Errorf("%s: %w", action, runtime.ErrFull)
	}
	return fmt.Errorf("%s: %w", action, oneLine(native(err)))
}

// native turns what gRPC returned into containerd's own errors, and leaves other
// errors as they are.
func native(err error) error {
	if _, ok := status.FromError(err); ok {
		return errgrpc.ToNative(err)
	}
	return err
}

// full says whether a disk is full. containerd sends only text.
func full(err error) bool {
	if err == nil {
		return false
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		strings.Contains(err.Error(), "no space left on device") || strings.Contains(err.Error(), "disk quota exceeded")
}

// lined is an error whose text was put on one line.
type lined struct {
	error
	text string
}

func (l lined) Error() string { return l.text }
func (l lined) Unwrap() error { return l.error }

func oneLine(err error) error {
	if text := err.Error(); strings.ContainsAny(text, "\r\n") {
		return lined{err, strings.Join(strings.Fields(text), " ")}
	}
	return err
}

// runcMessage takes runc's own words out of what the shim makes of them:
//
//	failed to create task…: OCI runtime create failed: runc create failed: unable
//	to start container process: error during container init: exec: "x": stat x: no
//	such file or directory: unknown
var runcPrefix = regexp.MustCompile(`^.*(?:unable to start container process|runc (?:create|exec) failed|OCI runtime \w+ failed): (?:error during container init: )?`)

// missingCommand finds the command in `exec: "x": executable file not found in $PATH`.
var missingCommand = regexp.MustCompile(`exec:? (?:"([^"]*)"|(\S+)): (.*)$`)

// hopeless are runc's words for what no second attempt will mend.
var hopeless = []string{
	"no such file or directory", "not found in $PATH", "permission denied", "exec format error", "is a directory",
	"not a directory", "invalid argument", "operation not permitted", "chdir to cwd", "unknown capability",
	"sysctl", "no such device", "exec: no command",
}

// failedStart gives an error of a start its action, unless it is the user's to mend:
// that is told in a narrow column, which an ID would fill.
func failedStart(action string, err error) (code int, explained error) {
	code, explained = explainStart(err)
	if code == 0 {
		explained = fmt.Errorf("%s: %w", action, explained)
	}
	return code, explained
}

// explainStart tells why a process did not start. command says whether it is the
// command's fault, and then code is what a shell would return for it.
func explainStart(err error) (code int, explained error) {
	if full(err) {
		return 0, runtime.ErrFull
	}
	text := strings.TrimSuffix(oneLine(native(err)).Error(), ": unknown")
	if !strings.Contains(text, "OCI runtime") && !strings.Contains(text, "runc") {
		return 0, native(err)
	}
	text = runcPrefix.ReplaceAllString(text, "")
	if found := missingCommand.FindStringSubmatch(text); found != nil {
		command, reason := found[1]+found[2], found[3]
		if strings.Contains(reason, "permission denied") || strings.Contains(reason, "is a directory") {
			return 126, fmt.Errorf("%w: %s: the image's file cannot be executed: permission denied", runtime.ErrRejected, command)
		}
		if strings.Contains(reason, "exec format error") {
			return 126, fmt.Errorf("%w: %s: it is no program for this machine", runtime.ErrRejected, command)
		}
		if strings.Contains(reason, "no such file") || strings.Contains(reason, "not found") {
			return 127, fmt.Errorf("%w: %s: no such command in the image", runtime.ErrRejected, command)
		}
	}
	for _, words := range hopeless {
		if strings.Contains(text, words) {
			return 126, fmt.Errorf("%w: %s", runtime.ErrRejected, text)
		}
	}
	return 126, errors.New(text)
}

// explainPull tells why an image could not be had.
func explainPull(name string, err error) error {
	err = native(err)
	var answer remotes.ErrUnexpectedStatus
	refused := errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden)
	missing := errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
	text := err.Error()
	switch {
	case full(err):
		return fmt.Errorf("pull %s: %w", name, runtime.ErrFull)
	case strings.Contains(text, "no match for platform"):
		return fmt.Errorf("image %s: %w: it is not made for this machine's platform", name, runtime.ErrRejected)
	case refused, strings.Contains(text, "authorization failed"), strings.Contains(text, "401 Unauthorized"), strings.Contains(text, "403 Forbidden"):
		return fmt.Errorf("pull %s: %w: log in, and give --with-registry-auth", name, runtime.ErrUnauthorized)
	case missing, errdefs.IsNotFound(err):
		return fmt.Errorf("image %s: %w here or in its registry", name, runtime.ErrImageMissing)
	default:
		return fmt.Errorf("pull %s: %w", name, oneLine(err))
	}
}
