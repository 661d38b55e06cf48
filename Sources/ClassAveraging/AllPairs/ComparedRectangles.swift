/// Which pairs the lists of some images have been offered.
struct ComparedRectangles {
  private(set) var rectangles: [ComparedRectangle] = []

  /// Adds a rectangle; those that it contains go, and one that continues it becomes one with it.
  mutating func add(_ rectangle: ComparedRectangle) {
    if rectangles.contains(where: { $0.contains(rectangle) }) || rectangle.isEmpty { return }
    var rectangle = rectangle
    var isGrowing = true
    while isGrowing {
      rectangles.removeAll { rectangle.contains($0) }
      isGrowing = false
      for (at, other) in rectangles.enumerated()
      where other.images == rectangle.images && other.partners.touches(rectangle.partners)
        || other.partners == rectangle.partners && other.images.touches(rectangle.images)
      {
        rectangle = ComparedRectangle(
          images: rectangle.images.union(other.images),
          partners: rectangle.partners.union(other.partners))
        rectangles.remove(at: at)
        isGrowing = true
        break
      }
    }
    rectangles.append(rectangle)
  }

  /// Pairs of an image with a partner, about: where rectangles overlap they count more than once.
  var area: Int { rectangles.reduce(0) { $0 + $1.images.count * $1.partners.count } }

  /// The pairs of `rows` with `columns` that the lists of both sides have been offered, in rectangles.
  func comparedByBoth(rows: Range<Int>, columns: Range<Int>) -> [ComparedRectangle] {
    let block = ComparedRectangle(images: rows, partners: columns)
    let first = rectangles.map { $0.intersection(block) }.filter { !$0.isEmpty }
    let second = rectangles.map { $0.transposed.intersection(block) }.filter { !$0.isEmpty }
    var both = ComparedRectangles()
    for one in first { for other in second { both.add(one.intersection(other)) } }
    return both.rectangles
  }
}

extension Range<Int> {
  /// Whether the union is one range.
  fileprivate func touches(_ other: Range<Int>) -> Bool {
    lowerBound <= other.upperBound && other.lowerBound <= upperBound
  }

  fileprivate func union(_ other: Range<Int>) -> Range<Int> {
    Swift.min(lowerBound, other.lowerBound)..<Swift.max(upperBound, other.upperBound)
  }
}
