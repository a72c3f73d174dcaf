"""Compares a C# program with the generated sources of an SDK: python3 csharp.py PROGRAM SDK.

Prints each class and property of the SDK that the program uses, or fails with the names that the SDK does not have.
"""

import pathlib
import sys

import tree_sitter
import tree_sitter_c_sharp

# Classes of the program that belong to Pulumi and .NET, not to the SDK.
OTHERS = {"Config", "Dictionary<string, object?>"}

parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c_sharp.language()))


def parse(file):
    root = parser.parse(file.read_bytes()).root_node
    if root.has_error:
        sys.exit(f"{file} is not valid C#")
    return root


def nodes(root, kind):
    """The nodes of this kind in a tree, from the top down."""
    if root.type == kind:
        yield root
    for child in root.named_children:
        yield from nodes(child, kind)


def text(node, field):
    return node.child_by_field_name(field).text.decode()


def properties(root):
    """The type of each property of each class, and the namespaces."""
    classes = {
        text(declaration, "name"): {
            text(member, "name"): text(member, "type") for member in nodes(declaration, "property_declaration")
        }
        for declaration in nodes(root, "class_declaration")
    }
    return classes, {text(namespace, "name") for namespace in nodes(root, "namespace_declaration")}


program, sdk = map(pathlib.Path, sys.argv[1:])
classes, namespaces = {}, set()
for file in sorted(sdk.rglob("*.cs")):
    declared, spaces = properties(parse(file))
    classes |= declared
    namespaces |= spaces

used, problems = set(), []


def use(owner, name):
    if name in classes[owner]:
        used.add(f"{owner}.{name}")
    else:
        problems.append(f"{owner} has no property {name}")


def values(node):
    """The objects that an expression creates: itself, or the items of its initializer."""
    if node.type == "object_creation_expression":
        yield node
    if node.type == "initializer_expression":
        for item in node.named_children:
            if item.type == "assignment_expression":
                yield from values(item.child_by_field_name("right"))


root = parse(program)
for directive in nodes(root, "using_directive"):
    namespace = directive.named_children[0].text.decode()
    if namespace.startswith("Pulumi.") and namespace not in namespaces:
        problems.append(f"there is no namespace {namespace}")
for creation in nodes(root, "object_creation_expression"):
    owner = text(creation, "type")
    initializer = creation.child_by_field_name("initializer")
    if owner in OTHERS:
        continue
    if owner not in classes:
        problems.append(f"there is no class {owner}")
        continue
    for item in initializer.named_children if initializer else []:
        name = text(item, "left")
        use(owner, name)
        for value in values(item.child_by_field_name("right")):
            if text(value, "type") not in classes[owner].get(name, ""):
                problems.append(f"{owner}.{name} is not of {text(value, 'type')}")
for variable in nodes(root, "variable_declarator"):
    for creation in (child for child in variable.named_children if child.type == "object_creation_expression"):
        if text(creation, "type") not in classes:
            continue
        for access in nodes(root, "member_access_expression"):
            if text(access, "expression") == text(variable, "name"):
                use(text(creation, "type"), text(access, "name"))

if problems:
    sys.exit("\n".join(problems))
print("\n".join(sorted(used)))
