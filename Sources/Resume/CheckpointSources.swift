/// What the checkpoints of a run are made of, as values: the store compares them and does not know what they mean.
package struct CheckpointSources: Sendable {
  /// The digest of the input.
  package let input: CheckpointIdentity
  /// The options that the model depends on, and all that count.
  package let model: CheckpointIdentity
  package let search: CheckpointIdentity
  /// What the names of the run's checkpoints begin with: other files in the folder are left alone.
  package let kinds: [String]
  /// Parts of the run that repeat its stages, with checkpoints of their own (`Checkpoints.nested`).
  package let nested: [String]

  package init(
    input: CheckpointIdentity, model: CheckpointIdentity, search: CheckpointIdentity,
    kinds: [String], nested: [String]
  ) {
    self.input = input
    self.model = model
    self.search = search
    self.kinds = kinds
    self.nested = nested
  }
}
