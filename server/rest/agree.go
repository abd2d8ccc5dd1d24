package rest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/api/wire"
	"github.com/orc-project/orc/server/deploy"
)

// The limits of what a node may say of an image's configuration.
const (
	maxConfigParts = 128
	maxConfigText  = 64
)

// agreed are the images that all nodes say an archive has, in the order of their names,
// and what they do not agree on. Every node has read the same bytes: one that names other
// images is broken or lies, and nothing that only some say may be what a name stands for
// in the whole cluster.
func agreed(nodes []*receiver) (images []api.Image, dissent error) {
	said := make(map[string]map[string][]*receiver) // name → digest → nodes
	config := make(map[string][]api.ImageConfig)    // by name and digest
	sizes := make(map[string]int64)
	for _, node := range nodes {
		for _, image := range node.images {
			name, err := checkLoaded(&image)
			if err != nil {
				return nil, api.Errorf(api.CodeConflict, "node %s answers what is no image: %w", node.node.Name, err)
			}
			if said[name] == nil {
				said[name] = make(map[string][]*receiver)
			}
			if !slices.Contains(said[name][image.Digest], node) {
				said[name][image.Digest] = append(said[name][image.Digest], node)
				config[name+" "+image.Digest] = append(config[name+" "+image.Digest], image.Config)
			}
			sizes[name+" "+image.Digest] = max(sizes[name+" "+image.Digest], image.Size)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(said)) {
		agree := false
		for digest, by := range said[name] {
			if agree = len(by) == len(nodes) && len(said[name]) == 1; agree {
				key := name + " " + digest
				images = append(images, api.Image{Name: name, Digest: digest, Size: sizes[key], Config: most(config[key])})
			}
		}
		if !agree && dissent == nil {
			dissent = disagree(name, said[name], len(nodes))
		}
	}
	return images, dissent
}

// disagree says who says what of a name.
func disagree(name string, digests map[string][]*receiver, of int) error {
	var texts []string
	for digest, by := range digests {
		names := make([]string, len(by))
		for i, each := range by {
			names[i] = each.node.Name
		}
		texts = append(texts, fmt.Sprintf("%s by %s", digest, strings.Join(names, ", ")))
	}
	slices.Sort(texts)
	return api.Conflictf("of one archive, %d nodes do not say the same: image %s is %s. This name was not taken over: see whether one of them was tampered with",
		of, name, strings.Join(texts, "; "))
}

// most is the configuration that most nodes tell of; the first of them, if as many tell of
// another: those of other platforms may.
func most(all []api.ImageConfig) api.ImageConfig {
	best, times := all[0], 0
	for _, each := range all {
		n := 0
		for _, other := range all {
			if api.EqualSpec(each, other) {
				n++
			}
		}
		if n > times {
			best, times = each, n
		}
	}
	return best
}

// checkLoaded checks the words of a node, and returns the image's full name.
func checkLoaded(image *wire.LoadedImage) (name string, err error) {
	if name, err = deploy.NormalizeImage(image.Name); err != nil {
		return "", err
	}
	if err := digest.Digest(image.Digest).Validate(); err != nil {
		return "", api.Invalidf("%q is no digest", image.Digest)
	}
	if image.Size < 0 {
		return "", api.Invalidf("image %s has %d bytes", name, image.Size)
	}
	texts := slices.Clone(image.Config.ExposedPorts)
	for _, platform := range image.Config.Platforms {
		texts = append(texts, platform.OS, platform.Arch)
	}
	if len(texts) > maxConfigParts {
		return "", api.Invalidf("image %s has %d ports and platforms", name, len(texts))
	}
	for _, text := range texts {
		if len(text) > maxConfigText || !utf8.ValidString(text) {
			return "", api.Invalidf("image %s has a port or a platform %.64q", name, text)
		}
	}
	return name, nil
}
