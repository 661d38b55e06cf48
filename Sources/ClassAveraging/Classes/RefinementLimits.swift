/// How many passes there are, and for what.
struct RefinementLimits {
  /// Neighbours that are asked for in the end: what passes are judged by.
  let neighbours: Int
  /// No more passes than these, the first search included.
  let most: Int
  /// Whether the passes stop by themselves.
  let areAutomatic: Bool
  /// The first pass that may be the last one where they do.
  var fewest = 2

  /// How many neighbours make a class of one of `images`.
  func members(among images: Int) -> Int {
    ClassSize.members(images: images, neighbours: neighbours)
  }
}
