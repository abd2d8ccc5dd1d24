package agent

import (
	"strconv"
	"strings"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/runtime"
)

// Where secrets and configs appear in a container that do not say where.
const (
	secretsDir = "/run/secrets/"
	configsDir = "/"
)

// containerFiles are the secrets and configs of a container whose own templates
// are filled in.
func containerFiles(container api.ContainerSpec, contents map[string][]byte, data api.TemplateData) ([]runtime.File, error) {
	var files []runtime.File
	funcs := payload(container, contents)
	for _, list := range []struct {
		noun, dir string
		refs      []api.FileReference
	}{{"secret", secretsDir, container.Secrets}, {"config", configsDir, container.Configs}} {
		for _, ref := range list.refs {
			file, err := fileOf(ref, list.noun, list.dir, contents)
			if err != nil {
				return nil, err
			}
			if ref.Template {
				filled, err := data.ExpandFile(list.noun+" "+ref.Source, string(file.Data), funcs)
				if err != nil {
					return nil, api.Invalidf("%w", err)
				}
				file.Data = []byte(filled)
			}
			files = append(files, file)
		}
	}
	return files, nil
}

func fileOf(ref api.FileReference, noun, dir string, contents map[string][]byte) (runtime.File, error) {
	content, found := contents[wire.FileID(ref)]
	if !found {
		return runtime.File{}, api.Errorf(api.CodeUnavailable, "the content of %s has not come from a manager yet", ref.Source)
	}
	target := ref.Target
	switch {
	case target == "":
		target = dir + ref.Source
	case !strings.HasPrefix(target, "/"):
		target = dir + target
	}
	uid, err := number(ref.UID)
	if err != nil {
		return runtime.File{}, api.Invalidf("%s %s: uid %q: use a number", noun, ref.Source, ref.UID)
	}
	gid, err := number(ref.GID)
	if err != nil {
		return runtime.File{}, api.Invalidf("%s %s: gid %q: use a number", noun, ref.Source, ref.GID)
	}
	return runtime.File{Target: target, Data: content, UID: uid, GID: gid, Mode: uint32(ref.Mode.Perm())}, nil
}

func number(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	return strconv.Atoi(text)
}
