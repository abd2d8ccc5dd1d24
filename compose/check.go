package compose

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/orc-project/orc/api"
)

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)`)

// checkOnce checks a file unless it was.
func (r *report) checkOnce(file source) {
	if !slices.Contains(r.seen, file.path) {
		r.check(file)
	}
}

// check indexes a file and notes its unknown keys and those that orc refuses.
func (r *report) check(file source) {
	r.seen = append(r.seen, file.path)
	r.index.files++
	if _, found := r.index.at[""]; !found {
		r.index.at[""] = position{file: file.shown}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(file.content))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			r.problems = append(r.problems, syntaxProblem(file.shown, err))
			return
		}
		w := walker{file: file.shown, visit: r.key}
		w.walk(&document, step{below: specification}, 0)
		if w.nodes > maxNodes {
			r.problems = append(r.problems, problem{file.shown, 0, "the file is too large once its aliases are followed"})
			return
		}
	}
}

func syntaxProblem(file string, err error) problem {
	if found := yamlLine.FindStringSubmatch(err.Error()); found != nil {
		if line, err := strconv.Atoi(found[1]); err == nil {
			return problem{file, line, "this is not YAML: " + found[2]}
		}
	}
	return problem{file, 0, "this is not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
}

// key is the visit of a walker.
func (r *report) key(k step, value *yaml.Node) bool {
	r.index.at[k.path] = k.at
	if value.Kind == yaml.ScalarNode {
		r.index.scalars[k.path] = value.Value
	}
	if strings.HasPrefix(k.key, "x-") && !k.item {
		if strings.HasPrefix(k.key, "x-orc-") && !extensions[k.pattern] {
			r.problems = append(r.problems, problem{k.at.file, k.at.line, k.path + ": orc knows no such extension here"})
		}
		return false
	}
	if reason, refused := refusals[k.pattern]; refused && !k.item && !reset(value) {
		r.problems = append(r.problems, problem{k.at.file, k.at.line, k.path + ": " + reason})
		return false
	}
	if !k.known {
		text := k.path + ": unknown key"
		if near := api.Nearest(k.key, sortedKeys(k.above)); near != "" {
			text += ": did you mean " + near + "?"
		}
		r.problems = append(r.problems, problem{k.at.file, k.at.line, text})
		return false
	}
	return true
}

// reset says whether the value takes back what an earlier file says.
func reset(value *yaml.Node) bool { return value.Tag == "!reset" }
