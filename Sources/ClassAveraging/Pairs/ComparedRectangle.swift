/// Which pairs have been offered to which lists, as rectangles: images are numbered by their position in
/// the search's order.
///
/// A rectangle says that the lists of `images`, where it is kept, are what they are after being offered all of
/// `partners`. It is about one side only: a pair needs no more work where both of its images' lists have been
/// offered the other. So a rectangle stays right whatever becomes of the lists of other images.
struct ComparedRectangle: Equatable {
  var images: Range<Int>
  var partners: Range<Int>

  var isEmpty: Bool { images.isEmpty || partners.isEmpty }

  func intersection(_ other: ComparedRectangle) -> ComparedRectangle {
    ComparedRectangle(
      images: images.clamped(to: other.images), partners: partners.clamped(to: other.partners))
  }

  func contains(_ other: ComparedRectangle) -> Bool {
    other.isEmpty || intersection(other) == other
  }

  /// The same pairs, offered to the lists of the other side.
  var transposed: ComparedRectangle { ComparedRectangle(images: partners, partners: images) }

  /// What is left without `other`: at most four rectangles.
  func subtracting(_ other: ComparedRectangle) -> [ComparedRectangle] {
    let common = intersection(other)
    if common.isEmpty { return isEmpty ? [] : [self] }
    return [
      ComparedRectangle(images: images.lowerBound..<common.images.lowerBound, partners: partners),
      ComparedRectangle(images: common.images.upperBound..<images.upperBound, partners: partners),
      ComparedRectangle(
        images: common.images, partners: partners.lowerBound..<common.partners.lowerBound),
      ComparedRectangle(
        images: common.images, partners: common.partners.upperBound..<partners.upperBound),
    ].filter { !$0.isEmpty }
  }
}
