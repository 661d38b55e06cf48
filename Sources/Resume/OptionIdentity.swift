/// The values of an options structure by their names, those of structures within it after a dot: what a
/// checkpoint is compared by. An option that is added to a structure counts without further ado.
package func optionIdentity(_ options: Any) -> CheckpointIdentity {
  var result: CheckpointIdentity = [:]
  func add(_ value: Any, _ name: String) {
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .optional:
      if let some = mirror.children.first {
        add(some.value, name)
      } else {
        result[name] = "not given"
      }
    case .struct where !mirror.children.isEmpty:
      for child in mirror.children {
        add(child.value, (name.isEmpty ? "" : name + ".") + (child.label ?? ""))
      }
    default: result[name] = "\(value)"
    }
  }
  add(options, "")
  return result
}
