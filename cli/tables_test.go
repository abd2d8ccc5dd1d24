package cli

import (
	"bytes"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/cli/output"
)

var tableNow = time.Date(2026, 7, 8, 9, 10, 11, 0, time.UTC)

// longName is what no table has room for; it ends as its neighbour's would not.
const longName = "northern-branch_photograph-processing-service.17"

// longest are the values that take most room, of the types that have few.
var longest = map[reflect.Type]any{
	reflect.TypeFor[time.Time]():        tableNow.Add(-47 * time.Minute), // "47 minutes ago"
	reflect.TypeFor[netip.Addr]():       netip.MustParseAddr("172.16.128.129"),
	reflect.TypeFor[netip.Prefix]():     netip.MustParsePrefix("172.16.128.0/20"),
	reflect.TypeFor[api.TaskState]():    api.TaskPreparing,
	reflect.TypeFor[api.Desired]():      api.DesiredRun,
	reflect.TypeFor[api.Mode]():         api.ModeReplicatedJob,
	reflect.TypeFor[api.Role]():         api.RoleManager,
	reflect.TypeFor[api.Level]():        api.LevelProblem,
	reflect.TypeFor[api.Availability](): api.AvailabilityActive,
	reflect.TypeFor[api.NodeState]():    api.NodeUnknown,
	reflect.TypeFor[api.ManagerState](): api.ManagerUnreachable,
	reflect.TypeFor[api.NodeAway]():     api.NodeAway{NodeName: longName},
}

// fill sets everything in a value to what takes much room.
func fill(t *testing.T, v reflect.Value, depth int) {
	if value, known := longest[v.Type()]; known {
		v.Set(reflect.ValueOf(value))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(longName)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(12345)
	case reflect.Float64:
		v.SetFloat(123.45)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), depth)
	case reflect.Slice:
		if depth < 4 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			for i := range v.Len() {
				fill(t, v.Index(i), depth+1)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i), depth+1)
			}
		}
	}
}

func filled[T any](t *testing.T) T {
	var value T
	fill(t, reflect.ValueOf(&value).Elem(), 0)
	return value
}

// TestTablesFitTheirTerminals: with the longest names no line of any table is wider
// than 60, 80 or 120 columns, and names can still be told from others.
func TestTablesFitTheirTerminals(t *testing.T) {
	seen := make(map[string]bool)
	task := filled[api.TaskView](t)
	for i := range task.Ports {
		task.Ports[i].Mode = "host"
	}
	pending := filled[api.TaskView](t)
	pending.Status = &api.TaskStatus{State: api.TaskPending}
	pending.Reason = "no node fits: 2 lack memory, 1 drained, 3 do not fit the constraint node.labels.zone==west"
	container := filled[api.ContainerView](t)
	container.Attempt.Finished = time.Time{}
	healthy := false
	container.Healthy = &healthy
	node := filled[api.NodeView](t)
	node.Status.Info.Address = netip.MustParseAddr("2001:db8:1234:5678:9abc:def0:1234:5678")
	image := filled[api.ImageView](t)
	image.Name = "registry.example.org/team/photograph-processing:2026.07.08-release-candidate-1"
	image.Digest = "sha256:" + strings.Repeat("0123456789abcdef", 4)
	finding := filled[api.Finding](t)
	finding.Subject = "name servers"

	fits(t, seen, "NAME", taskListing(tableNow).List, taskRow{task: &task}, taskRow{task: &pending, older: true})
	fits(t, seen, "NAME", containerListing(tableNow).List, container)
	fits(t, seen, "NAME", services.List, filled[api.ServiceView](t))
	fits(t, seen, "NAME", appListing(tableNow).List, filled[api.AppView](t))
	fits(t, seen, "HOSTNAME", nodes.List, node)
	fits(t, seen, "NAME", networks.List, filled[api.Network](t))
	fits(t, seen, "NAME", networkServices, filled[api.NetworkService](t))
	fits(t, seen, "NAME", networkContainers, filled[api.NetworkContainer](t))
	fits(t, seen, "NODE", networkBlocks, filled[api.NetworkBlock](t))
	fits(t, seen, "VOLUME NAME", volumeListing(tableNow).List, filled[api.VolumeView](t))
	fits(t, seen, "REPOSITORY", imageListing(tableNow).List, image)
	fits(t, seen, "NAME", statistics.List, filled[api.ContainerStats](t))
	fits(t, seen, "NODE", findings.List, finding)
	fits(t, seen, "REVISION", revisionListing(tableNow, true).List, filled[api.RevisionView](t))
	fits(t, seen, "NAME", snapshotListing(tableNow).List, filled[api.SnapshotView](t))
	fits(t, seen, "ID", tokenListing(tableNow).List, filled[api.TokenView](t))
	fits(t, seen, "TASK", moveList, filled[api.TaskMove](t))
	fits(t, seen, "NODE", diskListing.List, diskRow{node: longName, kind: "containers", Usage: filled[api.Usage](t)})
	fits(t, seen, "NAME", prunedList, prunedRow{node: longName, kind: "image", Removal: filled[api.Removal](t)})
	fits(t, seen, "NAME", contextListing("").List, &savedContext{ClientBundle: filled[api.ClientBundle](t)})
	fits(t, seen, "NAME", files[api.Secret]{noun: "secret", view: func(s api.Secret) fileView {
		return fileView{s.Meta, s.Name, s.Current, s.Spec.Labels}
	}}.listing(tableNow).List, filled[api.Secret](t))

	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, source := range sources {
		text, err := os.ReadFile(source)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`output\.List\[\*?([\w.]+)\]\{`).FindAllStringSubmatch(string(text), -1) {
			of := match[1]
			if of == "T" { // secrets and configs
				of = "api.Secret"
			}
			if of != "lab.Node" { // whose names are n1, n2 …
				assert.True(t, seen[of[strings.LastIndexByte(of, '.')+1:]], "%s has a table of %s, which is not tried here: %v", source, of, slices.Collect(maps.Keys(seen)))
			}
		}
	}
}

func fits[T any](t *testing.T, seen map[string]bool, name string, list output.List[T], items ...T) {
	t.Helper()
	of := reflect.TypeFor[T]().String()
	seen[of[strings.LastIndexByte(of, '.')+1:]] = true
	for _, width := range []int{60, 80, 120} {
		var out bytes.Buffer
		require.NoError(t, list.Print(&output.Printer{Out: &out, Width: width}, output.Options{}, items))
		for line := range strings.Lines(out.String()) {
			assert.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), width, "%s at %d:\n%s", of, width, out.String())
		}
		assert.Contains(t, out.String(), name)
	}
	var whole bytes.Buffer
	require.NoError(t, list.Print(&output.Printer{Out: &whole, Width: 60}, output.Options{NoTrunc: true}, items))
	for _, column := range list.Columns {
		assert.Contains(t, whole.String(), column.Header, "%s: --no-trunc leaves nothing out", of)
	}
}
