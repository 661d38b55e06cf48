import Resume

/// What the names of a search's checkpoints begin with: a stage that ends removes those of the stages before it.
extension Checkpoints {
  static var passName: String { "pass-" }
  static var referencesName: String { "landmarks-" }
  static var coAssignmentName: String { "shared-" }
  static var neighboursName: String { "neighbours" }
}
