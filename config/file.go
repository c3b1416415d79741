package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile is how large a configuration and files of certificates may be.
const maxFile Bytes = 1 << 20

// readFile reads a regular file of up to limit bytes. A pipe would block, and can't be read again for the next
// connection; a device may have no end. Its errors name the path, but not what can only be a file's content in
// its place.
func readFile(path string, limit Bytes) ([]byte, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	// What is not there, or a directory, is left to those who try to read it.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, fmt.Errorf("%s: is a %s, not a regular file", path, special(info.Mode()))
	}
	return readStream(path, limit)
}

// readStream is like readFile, and reads pipes, too: a shell gives a program a pipe for the output of another.
func readStream(path string, limit Bytes) ([]byte, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if Bytes(len(data)) > limit {
		return nil, fmt.Errorf("%s: larger than %s", path, limit)
	}
	return data, nil
}

func checkPath(path string) error {
	if strings.Contains(path, "\n") {
		return errors.New("must be the path of a file, not its content")
	}
	return nil
}

func special(mode os.FileMode) string {
	switch {
	case mode&os.ModeNamedPipe != 0:
		return "pipe"
	case mode&os.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// fileLayer decodes a YAML document over the tree of sections. It walks the nodes
// itself instead of unmarshalling, to find every fault with its key and line,
// and to have no value in any message.
type fileLayer struct {
	name    string
	sources Sources
	faults  []error
	merges  int
	// astray is where the lines of a secret may be that is written in a block, when they are not indented
	// as they should be: they are then read as keys.
	astray string
}

func (l *fileLayer) apply(root reflect.Value, data []byte) {
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if !errors.Is(err, io.EOF) { // which is an empty file
			l.syntax(err)
		}
		return
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		l.fault("", &second, errors.New("must be a single YAML document"))
	} else if !errors.Is(err, io.EOF) {
		l.syntax(err)
	}
	l.section(root, "", document.Content[0])
}

func (l *fileLayer) fault(key string, at *yaml.Node, err error) {
	l.faults = append(l.faults, &KeyError{Key: key, Source: Source{File: l.name, Line: at.Line}, Err: err})
}

var (
	syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	quoted     = regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`")
)

// syntax reports the parser's error without the pieces of the file that it
// quotes: they may be part of a secret.
func (l *fileLayer) syntax(err error) {
	source := Source{File: l.name}
	text := err.Error()
	if m := syntaxLine.FindStringSubmatch(text); m != nil {
		source.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	l.faults = append(l.faults, &KeyError{Source: source, Err: errors.New("not valid YAML: " + quoted.ReplaceAllString(text, "…"))})
}

func (l *fileLayer) section(v reflect.Value, key string, node *yaml.Node) {
	node = follow(node)
	if isNull(node) {
		return // a section with all its keys commented out
	}
	if node.Kind != yaml.MappingNode {
		l.fault(key, node, errors.New("must be a section of keys"))
		return
	}
	l.pairs(v, key, node, map[string]int{}, false)
}

// maxMerges bounds merges, which may be circular, or grow with each level.
const maxMerges = 1000

// pairs decodes a mapping's own keys, then those of its merges that it lacks.
func (l *fileLayer) pairs(v reflect.Value, key string, node *yaml.Node, seen map[string]int, merged bool) {
	var merges []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		if name.Kind == yaml.ScalarNode && name.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		if name.Kind != yaml.ScalarNode {
			l.fault(key, name, errors.New("keys must be plain text"))
			continue
		}
		if line, ok := seen[name.Value]; ok {
			if !merged {
				l.again(v, key, name, line)
			}
			continue
		}
		seen[name.Value] = name.Line
		l.pair(v, key, name, value)
	}
	for _, merge := range merges {
		l.merge(v, key, merge, seen)
	}
}

func (l *fileLayer) merge(v reflect.Value, key string, node *yaml.Node, seen map[string]int) {
	node = follow(node)
	l.merges++
	switch {
	case l.merges == maxMerges:
		l.fault(key, node, errors.New("too many merges"))
	case l.merges > maxMerges: // reported once
	case node.Kind == yaml.MappingNode:
		l.pairs(v, key, node, seen, true)
	case node.Kind == yaml.SequenceNode:
		for _, one := range node.Content {
			l.merge(v, key, one, seen)
		}
	default:
		l.fault(key, node, errors.New("only sections can be merged"))
	}
}

func sameKey(a, b string) bool { return a == b }

func (l *fileLayer) pair(section reflect.Value, parent string, name, node *yaml.Node) {
	key := joinKey(parent, name.Value)
	f, ok := child(section, name.Value, sameKey)
	if !ok {
		l.unknown(section, parent, name)
		return
	}
	l.astray = ""
	if f.value.Type() == secretType && spreads(node) {
		l.astray = key
	}
	switch kindOf(f.value.Type()) {
	case kindSection, kindSections, kindMap:
		l.section(f.value, key, node)
	case kindList:
		l.list(f.value, key, name, node)
	default:
		l.value(f.value, key, name, node)
	}
	f.set()
}

// again reports a key that was there before, at line.
func (l *fileLayer) again(section reflect.Value, parent string, name *yaml.Node, line int) {
	if _, known := child(section, name.Value, sameKey); !known {
		l.unknown(section, parent, name)
		return
	}
	l.fault(joinKey(parent, name.Value), name, fmt.Errorf("is already set at line %d", line))
}

func (l *fileLayer) unknown(section reflect.Value, parent string, name *yaml.Node) {
	if l.astray != "" {
		l.fault(parent, name, fmt.Errorf("unknown key, not shown because it may be a part of %s: indent all lines of that value", l.astray))
		return
	}
	l.fault(joinKey(parent, name.Value), name, unknownKey(section, name.Value))
}

// spreads tells whether a value is written in lines of its own, or has none.
func spreads(node *yaml.Node) bool {
	return isNull(node) || node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

func (l *fileLayer) value(v reflect.Value, key string, name, node *yaml.Node) {
	text, err := scalar(node)
	if err == nil {
		err = setText(v, text)
	}
	if err != nil {
		l.fault(key, name, err)
		return
	}
	l.sources[key] = Source{File: l.name, Line: name.Line}
}

func (l *fileLayer) list(v reflect.Value, key string, name, node *yaml.Node) {
	node = follow(node)
	if node.Kind != yaml.SequenceNode {
		l.fault(key, name, errors.New("must be a list"))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		text, err := scalar(item)
		if err == nil {
			err = setText(list.Index(i), text)
		}
		if err != nil {
			l.fault(fmt.Sprintf("%s[%d]", key, i), item, err)
		}
	}
	v.Set(list)
	l.sources[key] = Source{File: l.name, Line: name.Line}
}

// scalar is the text of a scalar as it is written, whatever type YAML gives
// it: a password of digits only is not a number.
func scalar(node *yaml.Node) (string, error) {
	node = follow(node)
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", errors.New("must be a single value")
	case isNull(node):
		return "", errors.New(`must have a value ("" for an empty one)`)
	}
	switch node.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp", "!!merge":
		return node.Value, nil
	}
	return "", errors.New("must have no tag of its own")
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

func follow(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}
