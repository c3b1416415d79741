// Package vocabulary_test holds the module to one word for one thing.
package vocabulary_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// retired is a word that must not occur in names, comments and texts (log messages, errors, keys,
// metrics), nor in the names of tests, with its forms, and the word to use.
type retired struct {
	forms string
	use   string
	// in is for words that are also plain English: they are refused only in names of this package,
	// in which they stood for something of its own, and not in names of tests. "." is every
	// package.
	in string
}

// glossary lists the retired words. Forms of several words are separated by commas.
var glossary = []retired{
	{forms: "record records", use: "message; log entry for a JobLog"},
	{forms: "deal deals dealt dealing", use: "assign, assignment"},
	{forms: "obey obeys obeyed obeying", use: "assignment"},
	{forms: "turn turns", use: "assignment, assigned partitions", in: "."},
	{forms: "taken", use: "assigned, revoked, lost", in: "consumer"},
	{forms: "balance balances balanced balancing", use: "fair assignment, rebalance"},
	{forms: "even", use: "fair", in: "consumer"},
	{forms: "passer passers", use: "transient member"},
	{forms: "intake", use: "prefetch"},
	{forms: "ahead", use: "prefetch", in: "."},
	{forms: "window windows", use: "in-flight limit", in: "."},
	{forms: "unpacked", use: "quota", in: "consumer"},
	{forms: "in hand,", use: "in flight"},
	{forms: "out", use: "in flight", in: "consumer"},
	{forms: "ghost ghosts haunt haunts haunted haunting dispel dispels dispelled", use: "orphaned delivery"},
	{forms: "comes again,come again,came again", use: "redelivery"},
	{forms: "judge judges judged judging judgement", use: "decide, backoff, attempt"},
	{forms: "later", use: "backoff, redelivery", in: "consumer"},
	{forms: "bury buries buried burying", use: "dead letter"},
	{forms: "quarantine quarantines quarantined", use: "dead letter"},
	{forms: "passed", use: "dead letter, skipped", in: "consumer"},
	{forms: "puts down,put down,lets go,let go", use: "settle, ack, nack"},
	{forms: "finish finishes", use: "settle, ack, nack", in: "consumer"},
	{forms: "head heads", use: "acknowledged prefix", in: "consumer"},
	{forms: "stray strays strayed straying", use: "log truncated"},
	{forms: "rewind rewinds rewound rewinding", use: "offset reset"},
	{forms: "salvage salvages salvaged salvaging", use: "log truncated"},
	{forms: "moved back,moves back", use: "offset reset"},
	{forms: "retire retires retired", use: "drain, stop, leave"},
	{forms: "retreat retreats retreated retreating", use: "drain, stop, leave"},
	{forms: "hurry hurries hurried hurrying", use: "drain, stop, leave"},
	{forms: "depart departs departed departing departure", use: "leave"},
	{forms: "abandon abandons abandoned abandoning", use: "drain, stop, leave"},
	{forms: "crew crews staff staffed seat seats seated", use: "worker, worker pool, task group"},
	{forms: "rouse rouses roused rousing", use: "wake"},
	{forms: "employ employs employed employment resign resigns resigned", use: "worker pool"},
	{forms: "beat beats", use: "timer coalescing"},
	{forms: "tally tallies tallied tallying", use: "counters, stats"},
	{forms: "insist insists insisted insisting", use: "retry until it succeeds"},
	{forms: "speak up,speaks up,unsaid", use: "log entries"},
	{forms: "complain complains complained complaining complaint complaints", use: "log entries"},
	{forms: "bereft homeless forsaken cramped tocks", use: "plain words"},
	{forms: "siege campaign rig hostile", use: "the behaviour"},
}

// allowed lists where a retired word is a term of its own, by the beginning of the path and the
// word.
var allowed = map[[2]string]string{
	{"config/", "window"}:                     "dedup_window",
	{"config/consumer.go", "balance"}:         "the end of the coordination group's name on the wire",
	{"consumer/metrics.go", "record"}:         "OpenTelemetry's word for adding a measurement",
	{"consumer/metrics.go", "records"}:        "OpenTelemetry's word for adding a measurement",
	{"embedded/", "balanced"}:                 "Iggy's name of a kind of partitioning",
	{"embedded/file_lock_windows", "windows"}: "the operating system",
	{"embedded/offset_log", "record"}:         "the unit of a file",
	{"embedded/offset_log", "records"}:        "the unit of a file",
	{"internal/transport/tls.go", "records"}:  "the unit of TLS",
}

func TestNamesAndTextsFollowGlossary(t *testing.T) {
	t.Parallel()
	words, phrases := map[string]retired{}, map[string]retired{}
	for _, r := range glossary {
		if strings.Contains(r.forms, ",") {
			for form := range strings.SplitSeq(strings.TrimSuffix(r.forms, ","), ",") {
				phrases[form] = r
			}
			continue
		}
		for form := range strings.FieldsSeq(r.forms) {
			words[form] = r
		}
	}
	fset := token.NewFileSet()
	used := map[[2]string]bool{}
	report := func(path string, line int, what, word, use string) {
		for key := range allowed {
			if strings.HasPrefix(path, key[0]) && word == key[1] {
				used[key] = true
				return
			}
		}
		t.Errorf("%s:%d: %q in %s: use %s", path, line, word, what, use)
	}
	all := func(string) bool { return true }
	walkSources(t, fset, all, func(rel string, file *ast.File) {
		if ast.IsGenerated(file) {
			return
		}
		inTest := strings.HasSuffix(rel, "_test.go")
		checkName := func(pos token.Pos, what, name string) {
			for _, word := range splitName(name) {
				if r, ok := words[word]; ok && (r.in == "" || !inTest && (r.in == "." || strings.HasPrefix(rel, r.in+"/"))) {
					report(rel, fset.Position(pos).Line, what+" "+name, word, r.use)
				}
			}
		}
		checkText := func(pos token.Pos, what, text string) {
			for i, line := range strings.Split(text, "\n") {
				for _, word := range splitText(line) {
					if r, ok := words[word]; ok && r.in == "" {
						report(rel, fset.Position(pos).Line+i, what, word, r.use)
					}
				}
			}
			flat := " " + strings.Join(splitText(text), " ") + " "
			for phrase, r := range phrases {
				if strings.Contains(flat, " "+phrase+" ") {
					report(rel, fset.Position(pos).Line, what, phrase, r.use)
				}
			}
		}
		checkName(file.Package, "file name", strings.TrimSuffix(filepath.Base(rel), ".go"))
		if inTest {
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && isTest(f.Name.Name) {
					checkName(f.Name.Pos(), "name of a test", f.Name.Name)
				}
			}
			return
		}
		for _, group := range file.Comments {
			checkText(group.Pos(), "comment", group.Text())
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				// The name is checked where it is declared, unless that is in another module.
				ast.Inspect(n.X, func(x ast.Node) bool {
					if id, ok := x.(*ast.Ident); ok {
						checkName(id.Pos(), "name", id.Name)
					}
					return true
				})
				return false
			case *ast.Ident:
				checkName(n.Pos(), "name", n.Name)
			case *ast.BasicLit:
				if n.Kind == token.STRING {
					checkText(n.Pos(), "text", n.Value)
				}
			}
			return true
		})
	})
	for key := range allowed {
		require.True(t, used[key], "%s in %s does not occur any more: take it out of the list", key[1], key[0])
	}
}

// walkSources parses the Go files of the module that want accepts, and calls visit with each and its
// path.
func walkSources(t *testing.T, fset *token.FileSet, want func(rel string) bool, visit func(rel string, file *ast.File)) {
	t.Helper()
	root := filepath.Join("..", "..")
	require.FileExists(t, filepath.Join(root, "go.mod"))
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if entry.IsDir() {
			if name := entry.Name(); rel != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || !want(rel) {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, rel, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visit(rel, file)
		return nil
	}))
}

// isTest reports whether a function of this name is a test, a benchmark, a fuzz target or an
// example.
func isTest(name string) bool {
	for _, prefix := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// splitName returns the words of a name in camel case or with underscores, in lower case.
func splitName(name string) []string {
	var words []string
	var word []rune
	runes := []rune(name)
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
		}
		word = nil
	}
	for i, r := range runes {
		if !unicode.IsLetter(r) {
			end()
			continue
		}
		// A word begins at a capital after a small letter, and at the last capital of several
		// before one.
		if unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			end()
		}
		word = append(word, r)
	}
	end()
	return words
}

// splitText returns the words of a text in lower case.
func splitText(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' })
}

func TestSplitName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"ghostGone":     {"ghost", "gone"},
		"HTTPServer":    {"http", "server"},
		"parseID":       {"parse", "id"},
		"offset_log":    {"offset", "log"},
		"ReadV2Headers": {"read", "v", "headers"},
		"heartbeat":     {"heartbeat"},
	} {
		require.Equal(t, want, splitName(name))
	}
}
