package session

import (
	"bytes"
	"net/netip"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// The limits of what a node may say of a task.
const (
	maxMessageText = 4 << 10
	maxChecks      = 5
	maxAddresses   = 64
	maxContainerID = 128
	maxNetworkID   = 64
)

// acceptable reports whether an agent may report the state.
func acceptable(state api.TaskState) bool {
	switch state {
	case api.TaskPreparing, api.TaskReady, api.TaskStarting, api.TaskRunning, api.TaskWaiting, api.TaskStopping,
		api.TaskComplete, api.TaskShutdown, api.TaskFailed, api.TaskRejected:
		return true
	}
	return false
}

// trimmed bounds what a status may hold and gives its text and times one form, in which
// they can be stored.
func trimmed(status api.TaskStatus) api.TaskStatus {
	status.Meta = api.Meta{ID: status.ID}
	status.Message = cut(status.Message, maxMessageText)
	status.Since, status.NextStart = moment(status.Since), moment(status.NextStart)
	attempts := lastOf(status.Attempts, api.TaskHistoryLimit)
	status.Attempts = nil
	for _, each := range attempts {
		each.Container, each.Error = cut(each.Container, maxContainerID), cut(each.Error, maxMessageText)
		each.Started, each.Finished = moment(each.Started), moment(each.Finished)
		status.Attempts = append(status.Attempts, each)
	}
	checks := lastOf(status.Checks, maxChecks)
	status.Checks = nil
	for _, each := range checks {
		each.Output, each.Started = cut(each.Output, maxMessageText), moment(each.Started)
		status.Checks = append(status.Checks, each)
	}
	if tooLarge(status.Addresses) {
		status.Addresses = map[string]netip.Addr{}
	}
	return status
}

// tooLarge says that no task has such addresses: see network.Owned for what is stored.
func tooLarge(addresses map[string]netip.Addr) bool {
	for network := range addresses {
		if len(network) > maxNetworkID {
			return true
		}
	}
	return len(addresses) > maxAddresses
}

// forward reports whether a task may go from the status that is stored to the
// one reported. An end is for good, except that a node which was written off
// tells in the end what really became of its tasks.
func forward(stored, reported *api.TaskStatus) bool {
	switch {
	case stored == nil:
		return true
	case stored.State == api.TaskLost:
		return reported.State.Terminal()
	case stored.State.Terminal():
		return false
	}
	// Within a task's life restarts only add up; a report that is older than what
	// is stored lost a race and says nothing new.
	return reported.Restarts >= stored.Restarts || !reported.Since.Before(stored.Since)
}

// same reports whether two statuses say the same.
func same(a, b *api.TaskStatus) bool {
	if a == nil || b == nil {
		return a == b
	}
	first, second := trimmed(*a), trimmed(*b)
	one, err := wire.Marshal(first)
	if err != nil {
		return false
	}
	other, err := wire.Marshal(second)
	return err == nil && bytes.Equal(one, other)
}

// next is the status to store for one that was reported, or nil when there is
// nothing to write.
func next(task *api.Task, stored, reported *api.TaskStatus, now time.Time) *api.TaskStatus {
	status := *reported
	status.Node = task.Node
	if !forward(stored, &status) || same(stored, &status) {
		return nil
	}
	status.Meta = api.Meta{ID: task.ID, Created: now, Updated: now}
	if stored != nil {
		status.Version, status.Created = stored.Version, stored.Created
	}
	return &status
}

// cut is at most limit bytes of a text, and UTF-8.
func cut(text string, limit int) string {
	return strings.ToValidUTF8(text[:min(len(text), limit)], "")
}

// moment is a time in UTC; what no calendar date of RFC 3339 can say is none.
func moment(t time.Time) time.Time {
	t = t.UTC()
	if year := t.Year(); year < 1 || year > 9999 {
		return time.Time{}
	}
	return t
}

func lastOf[T any](list []T, limit int) []T { return list[max(0, len(list)-limit):] }
