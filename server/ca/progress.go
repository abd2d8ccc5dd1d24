package ca

import (
	"bytes"
	"slices"

	"github.com/orc-project/orc/api"
)

// Progress is what a rotation of the root asks of the nodes at the moment.
type Progress struct {
	phase  api.CAPhase
	roots  []string // that are trusted
	issuer string
}

// ProgressOf reads it from the cluster's object.
func ProgressOf(cluster *api.Cluster) (Progress, error) {
	views, err := Roots(cluster)
	p := Progress{phase: cluster.CA.Phase}
	for _, each := range views {
		p.roots = append(p.roots, each.Digest)
		if each.Issues {
			p.issuer = each.Digest
		}
	}
	return p, err
}

// Done says whether a node has done what the rotation asks at the moment.
func (p Progress) Done(t api.Trust) bool {
	switch p.phase {
	case api.CATrust:
		return slices.Equal(t.Roots, p.roots)
	case api.CARenew:
		return t.Issuer == p.issuer
	case api.CADrop:
		// A certificate that it has renewed since may be one of a manager that was behind.
		return slices.Equal(t.Roots, p.roots) && t.Issuer == p.issuer
	}
	return true
}

// Bridged says whether a manager's database knows the root that issues by a bridge
// only, which it does until it is started again.
func (p Progress) Bridged(t api.Trust) bool { return !slices.Contains(t.Database, p.issuer) }

// Outdated says whether a manager's database trusts a root that is gone.
func (p Progress) Outdated(t api.Trust) bool {
	return slices.ContainsFunc(t.Database, func(each string) bool { return !slices.Contains(p.roots, each) })
}

// TrustOf is by which roots a node goes: a manager writes it itself, a worker tells it
// in its session. status may be nil.
func TrustOf(node *api.Node, status *api.NodeStatus) api.Trust {
	switch {
	case node.Role == api.RoleManager:
		return node.Trust
	case status == nil:
		return api.Trust{}
	}
	return status.Info.Trust
}

// Roots describes the roots that the cluster trusts.
func Roots(cluster *api.Cluster) ([]api.RootView, error) {
	authority, err := Load(cluster)
	if err != nil {
		return nil, err
	}
	roots, err := parseCertificates(cluster.Roots)
	if err != nil {
		return nil, err
	}
	var views []api.RootView
	for _, each := range roots {
		views = append(views, api.RootView{
			Digest: digest(each), Subject: each.Subject.String(), Begins: each.NotBefore, Ends: each.NotAfter,
			Issues: bytes.Equal(each.Raw, authority.root.Raw),
		})
	}
	return views, nil
}
