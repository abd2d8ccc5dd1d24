package agent

import (
	"errors"
	"io/fs"
	"maps"
	"os"

	"github.com/orc-project/orc/agent/disk"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
)

// assignments are all that this node should run, as it is kept on disk.
type assignments struct {
	Tasks map[string]wire.Assignment `cbor:"1,keyasint"`
	Specs map[string]api.ServiceSpec `cbor:"2,keyasint"`
	// Files are the contents of secrets and configs. They are never written to
	// disk: after a boot without a manager, tasks that need them wait.
	Files map[string][]byte `cbor:"-"`
}

// assigned is one task with all that it takes to run it.
type assigned struct {
	wire.Assignment
	spec  *api.ServiceSpec
	files map[string][]byte
}

// same says that nothing a worker acts on differs.
func (a *assigned) same(other *assigned) bool {
	return other != nil && a.Assignment == other.Assignment && (a.spec == nil) == (other.spec == nil)
}

// apply returns the set after a message. The receiver stays as it is.
func (s assignments) apply(down wire.Down) assignments {
	next := assignments{Tasks: maps.Clone(s.Tasks), Specs: maps.Clone(s.Specs), Files: maps.Clone(s.Files)}
	if next.Tasks == nil || down.Full {
		next.Tasks = make(map[string]wire.Assignment)
	}
	if next.Specs == nil {
		next.Specs = make(map[string]api.ServiceSpec)
	}
	if next.Files == nil {
		next.Files = make(map[string][]byte)
	}
	maps.Copy(next.Specs, down.Specs)
	maps.Copy(next.Files, down.Files)
	for _, each := range down.Tasks {
		next.Tasks[each.Task.ID] = each
	}
	for _, id := range down.Removed {
		delete(next.Tasks, id)
	}
	if down.Full || len(down.Tasks)+len(down.Removed) > 0 {
		next.trim() // large specs and files come ahead of the tasks that need them
	}
	return next
}

// trim drops specs and files that no task needs any more.
func (s assignments) trim() {
	specs, files := make(map[string]bool), make(map[string]bool)
	for _, each := range s.Tasks {
		specs[each.SpecID()] = true
		spec := s.Specs[each.SpecID()]
		for _, refs := range [][]api.FileReference{spec.Container.Secrets, spec.Container.Configs} {
			for _, ref := range refs {
				files[wire.FileID(ref)] = true
			}
		}
	}
	maps.DeleteFunc(s.Specs, func(id string, _ api.ServiceSpec) bool { return !specs[id] })
	maps.DeleteFunc(s.Files, func(id string, _ []byte) bool { return !files[id] })
}

// assigned returns a task's assignment; without its spec, the spec is nil.
func (s assignments) assigned(id string) *assigned {
	each := s.Tasks[id]
	a := &assigned{Assignment: each, files: s.Files}
	if spec, found := s.Specs[each.SpecID()]; found {
		a.spec = &spec
	}
	return a
}

func (s assignments) goal(id string) goal {
	each, found := s.Tasks[id]
	switch {
	case !found:
		return goalGone
	case each.Task.Desired == api.DesiredRun:
		return goalRun
	case each.Task.Desired == api.DesiredReady:
		return goalReady
	}
	return goalEnd
}

// save keeps the set on disk. It has environments and registry passwords in it: only
// root may read it.
func (s assignments) save(path string) error { return disk.Save(path, s, true) }

// load reads what save wrote. A missing file is an empty set. A broken one is set
// aside, for people to look at, and is an error.
func (s *assignments) load(path string) error {
	err := disk.Load(path, s)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	*s = assignments{}
	return errors.Join(err, os.Rename(path, path+".broken"))
}
