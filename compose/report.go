package compose

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"

	"github.com/orc-project/orc/api"
)

// report gathers all that is wrong, so that a user meets it at once.
type report struct {
	index    *index
	seen     []string // paths of files checked
	problems []problem
	warnings []Warning
}

type problem struct {
	file string
	line int
	text string
}

// add notes that the value at path is wrong; path is dotted: services.web.image.
func (r *report) add(path, format string, args ...any) {
	at := r.index.find(path)
	r.problems = append(r.problems, problem{at.file, at.line, path + ": " + fmt.Errorf(format, args...).Error()})
}

func (r *report) warn(path, format string, args ...any) {
	at := r.index.find(path)
	r.warnings = append(r.warnings, Warning{at.file, at.line, path + ": " + fmt.Sprintf(format, args...)})
}

// err is nil, or all problems in the files' order, one line each.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int {
		if a.file != b.file {
			return strings.Compare(a.file, b.file)
		}
		return a.line - b.line
	})
	var lines []string
	for _, p := range r.problems {
		line := place(p.file, p.line) + oneLine(p.text)
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return api.Invalidf("%s", strings.Join(lines, "\n"))
}

func place(file string, line int) string {
	switch {
	case file == "":
		return ""
	case line == 0:
		return file + ": "
	}
	return fmt.Sprintf("%s:%d: ", file, line)
}

func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", " ")), " ")
}

var (
	framing = regexp.MustCompile(`^(?:validating|failed to parse) \S+?: |^yaml: |construct errors:\s+line \d+: |decoding failed due to the following error\(s\):\s+|error while interpolating |: invalid compose project$`)
	bracket = regexp.MustCompile(`'?\b(services|networks|volumes|secrets|configs)\[([^\]]+)\]((?:[.\[][^\s'.\[\]]+\]?)*)'?`)
	dotted  = regexp.MustCompile(`\b(?:services|networks|volumes|secrets|configs|include)(?:\.[^\s:,'"]+)+`)
	// castFailed is how the library says that a text is no number.
	castFailed = regexp.MustCompile(`failed to cast to expected type: strconv\.\w+: parsing ("[^"]*"): .*`)
	numbered   = regexp.MustCompile(`^line (\d+): `)
	quoted     = regexp.MustCompile(`(service|network|volume|secret|config) "([^"]+)"`)
	culprit    = regexp.MustCompile(`(?:invalid|Invalid) [\w ]+: "?([^"\s]+)"?`)
)

// loaderError finds the place that an error of the library speaks of, by the path
// or the value in its text.
func (r *report) loaderError(err error) {
	text := oneLine(err.Error())
	for framing.MatchString(text) {
		text = framing.ReplaceAllString(text, "")
	}
	if r.index.dir != "" {
		text = strings.ReplaceAll(text, r.index.dir+"/", "")
	}
	text = bracket.ReplaceAllStringFunc(text, func(found string) string {
		part := bracket.FindStringSubmatch(found)
		rest := strings.NewReplacer("[", ".", "]", "").Replace(part[3])
		return part[1] + "." + part[2] + rest + ":"
	})
	text = strings.ReplaceAll(text, " must be a array", ": want a list")
	text = castFailed.ReplaceAllString(text, "want a number, not $1")
	at := r.index.find("")
	if line := numbered.FindStringSubmatch(text); line != nil {
		text = strings.TrimPrefix(text, line[0])
		at.line, _ = strconv.Atoi(line[1]) // all digits; 0 is no line
	} else if path := strings.TrimRight(dotted.FindString(text), "."); path != "" {
		at = r.index.find(path)
	} else if named := quoted.FindStringSubmatch(text); named != nil {
		at = r.index.find(named[1] + "s." + named[2])
	} else if value := culprit.FindStringSubmatch(text); value != nil {
		if path, found := r.index.holding(value[1]); found {
			at, text = r.index.find(path), path+": "+text
		}
	}
	r.problems = append(r.problems, problem{at.file, at.line, text})
}

// validate has the api's rules checked, service by service, and then the whole.
func (r *report) validate(spec *api.AppSpec) {
	for _, name := range sortedKeys(spec.Services) {
		service := spec.Services[name]
		if err := service.Validate(); err != nil {
			path := r.index.keyOf(name, fieldOf(err))
			r.add(path, "%s", strings.TrimPrefix(err.Error(), "service "+name+": "))
		}
	}
	if len(r.problems) > 0 {
		return
	}
	if err := spec.Validate(); fieldOf(err) != "" {
		r.add(topKey(fieldOf(err)), "%w", err)
	} else if err != nil {
		r.loaderError(err)
	}
}

// unsupported notes refused keys of files that were included from afar.
func (r *report) unsupported(found []loader.UnsupportedAttribute) {
	for _, attribute := range found {
		path := string(attribute.Path)
		parts := strings.Split(path, ".")
		if len(parts) > 1 {
			parts[1] = "*"
		}
		reason, refused := refusalOf(strings.Join(parts, "."))
		if !refused {
			reason = "orc cannot honour it: remove it"
		}
		r.add(path, "%s", reason)
	}
}
