package api

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConstraintsMatch(t *testing.T) {
	node := &Node{Meta: Meta{ID: "id1"}, Name: "n1", Role: RoleWorker, Labels: map[string]string{"zone": "a", "disks": "4"}}
	info := &NodeInfo{Platform: Platform{OS: "linux", Arch: "amd64"}, Address: netip.MustParseAddr("10.0.0.7"), Engine: map[string]string{"gpu": "yes"}}
	for text, want := range map[string]bool{
		"node.id==id1":                   true,
		"node.hostname != n1":            false,
		"node.role==WORKER":              true,
		"node.labels.zone==a":            true,
		"node.labels.zone!=a":            false,
		"node.labels.none!=a":            true,
		"node.labels.none==a":            false,
		"node.labels.zone in (b, a)":     true,
		"node.labels.zone not in (b, a)": false,
		"node.labels.disks>3":            true,
		"node.labels.disks<3":            false,
		"node.labels.zone>3":             false,
		"node.ip==10.0.0.0/24":           true,
		"node.ip!=10.0.0.7":              false,
		"node.platform.arch==amd64":      true,
		"engine.labels.gpu==yes":         true,
		"node.platform.os==linux":        true,
	} {
		constraint, err := ParseConstraint(text)
		require.NoError(t, err, text)
		require.Equal(t, want, constraint.Match(node, info), text)
		again, err := ParseConstraint(constraint.String())
		require.NoError(t, err, text)
		require.Equal(t, constraint, again)
	}
}

func TestWrongConstraintsAreRefused(t *testing.T) {
	for _, text := range []string{"", "node.id", "node.nonsense==1", "node.labels.==a", "node.id==", "==a", "node.role in manager",
		"node.role in ()", "node.labels.n>x", "node.ip==here", "node.id=1"} {
		_, err := ParseConstraint(text)
		require.Error(t, err, text)
		require.Equal(t, CodeInvalid, CodeOf(err))
	}
}

func FuzzParseConstraint(f *testing.F) {
	f.Add("node.labels.zone not in (a, b)")
	f.Fuzz(func(t *testing.T, text string) {
		constraint, err := ParseConstraint(text)
		if err != nil {
			return
		}
		again, err := ParseConstraint(constraint.String())
		require.NoError(t, err)
		require.Equal(t, constraint, again)
	})
}
