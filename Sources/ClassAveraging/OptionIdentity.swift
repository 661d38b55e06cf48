import ParticleIO

/// The values of an options structure by their names, those of structures within it after a dot: what a
/// checkpoint is compared by. An option that is added to a structure counts without further ado.
func optionIdentity(_ options: Any) -> CheckpointIdentity {
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

extension AverageOptions {
  /// Without what changes neither model nor neighbours.
  var withoutIrrelevant: AverageOptions {
    var copy = self
    (copy.model.threads, copy.averages) = (1, nil)
    return copy
  }

  /// What all files of a run follow from: its input, and the options that count.
  /// - Parameters:
  ///   - input: the particles' digest.
  ///   - images: how many particles there are.
  public func identity(of input: CheckpointIdentity, images: Int) -> CheckpointIdentity {
    input.merging(optionIdentity(withoutIrrelevant)) { $1 }
      .merging(["averages": String(min(averages ?? images, images))]) { $1 }
  }
}
