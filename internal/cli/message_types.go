package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// messageTypes are the protobuf types of files, and those that the program is built with.
type messageTypes struct {
	files *protoregistry.Files // without those of the program
	types *dynamicpb.Types     // of the files
}

// loadMessageTypes reads .proto files and descriptor sets. Imports are looked for in the directories
// of importPaths, and in the directory of each file.
func loadMessageTypes(ctx context.Context, files, importPaths []string) (*messageTypes, error) {
	collected := descriptors{}
	for _, file := range files {
		read := collected.readSet
		if strings.HasSuffix(file, ".proto") {
			read = func(file string) error { return collected.compile(ctx, file, importPaths) }
		}
		if err := read(file); err != nil {
			return nil, fmt.Errorf("--proto: %w", err)
		}
	}
	registry, err := protodesc.NewFiles(collected.set())
	if err != nil {
		return nil, fmt.Errorf("--proto: %s (a descriptor set needs its imports: protoc --include_imports)", oneLine(err.Error()))
	}
	return &messageTypes{files: registry, types: dynamicpb.NewTypes(registry)}, nil
}

// descriptors are files by path.
type descriptors map[string]*descriptorpb.FileDescriptorProto

// readSet adds the files of a descriptor set.
func (d descriptors) readSet(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil || len(set.GetFile()) == 0 {
		return fmt.Errorf("%s: neither a .proto file nor a descriptor set", file)
	}
	for _, f := range set.GetFile() {
		d[f.GetName()] = f
	}
	return nil
}

// compile adds a .proto file with its imports.
func (d descriptors) compile(ctx context.Context, file string, importPaths []string) error {
	if info, err := os.Stat(file); err != nil {
		return err
	} else if info.IsDir() {
		return fmt.Errorf("%s: is a directory", file)
	}
	name := filepath.Base(file)
	paths := append(slices.Clone(importPaths), filepath.Dir(file))
	for _, path := range importPaths {
		// The path of a file is relative to an import path, as for protoc.
		if relative, err := filepath.Rel(path, file); err == nil && filepath.IsLocal(relative) {
			name = filepath.ToSlash(relative)
			break
		}
	}
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: paths}),
	}
	compiled, err := compiler.Compile(ctx, name)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w; --proto-path names the directory of its imports", err)
	}
	if err != nil {
		return err
	}
	for _, f := range compiled {
		d.add(f)
	}
	return nil
}

// add adds a file with its imports.
func (d descriptors) add(f protoreflect.FileDescriptor) {
	if d[f.Path()] != nil || f.IsPlaceholder() {
		return
	}
	d[f.Path()] = protodesc.ToFileDescriptorProto(f)
	for i := range f.Imports().Len() {
		d.add(f.Imports().Get(i).FileDescriptor)
	}
}

// set is all files, with those of the program that they import.
func (d descriptors) set() *descriptorpb.FileDescriptorSet {
	for _, f := range d {
		for _, path := range f.GetDependency() {
			if known, err := protoregistry.GlobalFiles.FindFileByPath(path); err == nil && d[path] == nil {
				d.add(known)
			}
		}
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, f := range d {
		set.File = append(set.File, f)
	}
	return set
}

// find finds a type by its full name, or by the end of it when that is unique. Types of files are
// found before those of the program.
func (t *messageTypes) find(name string) (protoreflect.MessageType, error) {
	if found, err := t.FindMessageByName(protoreflect.FullName(name)); err == nil {
		return found, nil
	}
	isOther := func(full string) bool { return !strings.HasSuffix(full, "."+name) }
	matches := slices.DeleteFunc(t.names(), isOther)
	if len(matches) == 0 {
		matches = slices.DeleteFunc(programNames(), isOther)
	}
	switch len(matches) {
	case 0:
		return nil, usagef("--type: there is no message %q%s", name, ifAny("; the files of --proto have ", t.names()))
	case 1:
		return t.FindMessageByName(protoreflect.FullName(matches[0]))
	}
	return nil, usagef("--type: %q is one of %s", name, strings.Join(matches, ", "))
}

// names are the full names of the types of the files.
func (t *messageTypes) names() (names []string) {
	t.files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		// The imports of a file are mostly the fields of its types.
		if strings.HasPrefix(f.Path(), "google/protobuf/") {
			return true
		}
		appendNames(&names, f.Messages())
		return true
	})
	slices.Sort(names)
	return names
}

// programNames are the full names of the types that the program is built with.
func programNames() (names []string) {
	protoregistry.GlobalTypes.RangeMessages(func(m protoreflect.MessageType) bool {
		names = append(names, string(m.Descriptor().FullName()))
		return true
	})
	slices.Sort(names)
	return names
}

func appendNames(names *[]string, messages protoreflect.MessageDescriptors) {
	for i := range messages.Len() {
		if m := messages.Get(i); !m.IsMapEntry() {
			*names = append(*names, string(m.FullName()))
			appendNames(names, m.Messages())
		}
	}
}

// The methods of the resolver of protobuf JSON: types of the files, and otherwise of the program.

func (t *messageTypes) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	return firstFound(name, t.types.FindMessageByName, protoregistry.GlobalTypes.FindMessageByName)
}

func (t *messageTypes) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	return firstFound(url, t.types.FindMessageByURL, protoregistry.GlobalTypes.FindMessageByURL)
}

func (t *messageTypes) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return firstFound(name, t.types.FindExtensionByName, protoregistry.GlobalTypes.FindExtensionByName)
}

func (t *messageTypes) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	if found, err := t.types.FindExtensionByNumber(message, number); !errors.Is(err, protoregistry.NotFound) {
		return found, err
	}
	return protoregistry.GlobalTypes.FindExtensionByNumber(message, number)
}

func firstFound[K, T any](key K, finders ...func(K) (T, error)) (found T, err error) {
	for _, find := range finders {
		if found, err = find(key); !errors.Is(err, protoregistry.NotFound) {
			break
		}
	}
	return found, err
}
