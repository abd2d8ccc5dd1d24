package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/orc-project/orc/api"
)

// Options say what to load.
type Options struct {
	// Paths are the files, later ones override earlier ones; "-" is Stdin.
	Paths []string
	// Stdin is what "-" reads; nil means os.Stdin.
	Stdin io.Reader
	// Env is the environment for ${…}, as NAME=value; it wins over EnvFiles.
	Env []string
	// EnvFiles give more of it; none means .env beside the first file, if there.
	EnvFiles []string
	// Profiles are those that are on; none means COMPOSE_PROFILES of Env.
	Profiles []string
	// ProjectName names the app; empty means the file's name:, else the name of
	// the first file's directory.
	ProjectName string
}

// Warning is something in a file that orc reads in its own way.
type Warning struct {
	File    string
	Line    int // 0 when unknown
	Message string
}

// String is the warning as one line: app.yaml:3: services.web.…
func (w Warning) String() string { return place(w.File, w.Line) + w.Message }

// Load reads the files into an app with its defaults filled in, which passes
// its own Validate. The error is an *api.Error with one line for each thing
// wrong.
func Load(ctx context.Context, o Options) (api.AppSpec, []Warning, error) {
	files, err := o.read()
	if err != nil {
		return api.AppSpec{}, nil, err
	}
	r := &report{index: newIndex()}
	for _, file := range files {
		r.check(file)
	}
	if err := r.err(); err != nil {
		return api.AppSpec{}, nil, err
	}
	project, err := o.project(ctx, files, r)
	if err != nil {
		r.loaderError(err)
		return api.AppSpec{}, nil, r.err()
	}
	spec := convert(project, r)
	if err := r.err(); err != nil {
		return api.AppSpec{}, nil, err
	}
	r.validate(&spec)
	if err := r.err(); err != nil {
		return api.AppSpec{}, nil, err
	}
	return spec, r.warnings, nil
}

// MaxFileSize is the most bytes of one Compose file.
const MaxFileSize = 8 << 20

type source struct {
	shown   string // as the user gave it
	path    string // absolute; stdin has none
	content []byte
}

func (o *Options) read() ([]source, error) {
	if len(o.Paths) == 0 {
		return nil, api.Invalidf("no Compose file: name one, as in orc deploy app.yaml")
	}
	var files []source
	for _, path := range o.Paths {
		file := source{shown: path}
		var err error
		if path == "-" {
			stdin := o.Stdin
			if stdin == nil {
				stdin = os.Stdin
			}
			file.shown = "stdin"
			file.content, err = io.ReadAll(io.LimitReader(stdin, MaxFileSize+1))
		} else {
			file.path, err = filepath.Abs(path)
			if err == nil {
				file.content, err = readFile(path, MaxFileSize)
			}
		}
		if err != nil {
			return nil, api.Invalidf("Compose file %s: %w", api.Quoted(file.shown), plain(err))
		}
		if len(file.content) > MaxFileSize {
			return nil, api.Invalidf("Compose file %s: larger than %d bytes", file.shown, MaxFileSize)
		}
		files = append(files, file)
	}
	return files, nil
}

// readFile reads a file of at most limit bytes, and one byte more of a larger one.
func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit+1))
}

// plain drops the path from a file error, which the message has already.
func plain(err error) error {
	var pathError *os.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

func (o *Options) project(ctx context.Context, files []source, r *report) (project *types.Project, err error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the working directory: %w", err)
	}
	if files[0].path != "" {
		dir = filepath.Dir(files[0].path)
	}
	r.index.dir = dir
	env, err := o.environment(dir)
	if err != nil {
		return nil, err
	}
	details := types.ConfigDetails{WorkingDir: dir, Environment: env}
	for _, file := range files {
		name := file.path
		if name == "" {
			name = filepath.Join(dir, file.shown)
		}
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: name, Content: file.content})
	}
	profiles := o.Profiles
	if len(profiles) == 0 && env["COMPOSE_PROFILES"] != "" {
		profiles = strings.Split(env["COMPOSE_PROFILES"], ",")
	}
	defer func() { // a file can make the library panic: say so as an error
		if p := recover(); p != nil {
			project, err = nil, fmt.Errorf("the file cannot be read as Compose: %v", p)
		}
	}()
	restore := captureLog(r)
	defer restore()
	supported := loader.WithSupportedAttributes(supported(), r.unsupported)
	return loader.LoadWithContext(ctx, details, loader.WithProfiles(profiles), supported, func(l *loader.Options) {
		l.ResourceLoaders = []loader.ResourceLoader{&included{dir: dir, report: r}}
		if o.ProjectName != "" {
			l.SetProjectName(loader.NormalizeProjectName(o.ProjectName), true)
			return
		}
		l.SetProjectName(loader.NormalizeProjectName(filepath.Base(dir)), false)
	})
}

func (o *Options) environment(dir string) (types.Mapping, error) {
	env := make(types.Mapping)
	for _, entry := range o.Env {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	files := o.EnvFiles
	if len(files) == 0 {
		if info, err := os.Stat(filepath.Join(dir, ".env")); err == nil && !info.IsDir() {
			files = []string{filepath.Join(dir, ".env")}
		}
	}
	read, err := dotenv.GetEnvFromFile(env, files)
	if err != nil {
		return nil, fmt.Errorf("read environment file: %w", err)
	}
	return env.Merge(read), nil
}
