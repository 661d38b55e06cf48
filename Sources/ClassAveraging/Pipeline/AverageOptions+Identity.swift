import Resume

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
