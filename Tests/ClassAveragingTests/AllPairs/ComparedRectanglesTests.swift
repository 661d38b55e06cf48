import TestSupport
import Testing

@testable import ClassAveraging

/// Rectangles against single pairs.
@Suite struct ComparedRectanglesTests {
  private static let count = 12

  private func rectangle(_ numbers: ArraySlice<Double>) -> ComparedRectangle {
    let positions = numbers.map { Int(($0 + 1) / 2 * Double(Self.count + 1)) }
    return ComparedRectangle(
      images: min(positions[0], positions[1])..<max(positions[0], positions[1]),
      partners: min(positions[2], positions[3])..<max(positions[2], positions[3]))
  }

  /// Image times count plus partner.
  private func pairs(_ rectangle: ComparedRectangle) -> Set<Int> {
    Set(rectangle.images.flatMap { i in rectangle.partners.map { i * Self.count + $0 } })
  }

  @Test func agreesWithPairs() {
    var pairsOfBoth = 0
    for seed in 0..<200 as Range<UInt64> {
      let numbers = randomNumbers(32, seed: seed &* 7919)
      var compared = ComparedRectangles()
      var all: Set<Int> = []
      for start in stride(from: 0, to: 24, by: 4) {
        let rectangle = rectangle(numbers[start..<start + 4])
        compared.add(rectangle)
        all.formUnion(pairs(rectangle))
      }
      #expect(compared.rectangles.reduce(into: []) { $0.formUnion(pairs($1)) } == all)
      let block = rectangle(numbers[24..<28])
      let found = compared.comparedByBoth(rows: block.images, columns: block.partners)
      let both = pairs(block).filter {
        let (i, j) = ($0 / Self.count, $0 % Self.count)
        return all.contains($0) && all.contains(j * Self.count + i)
      }
      #expect(found.reduce(into: []) { $0.formUnion(pairs($1)) } == both)
      pairsOfBoth += both.count
      let other = rectangle(numbers[28..<32])
      let left = block.subtracting(other)
      #expect(
        left.reduce(into: []) { $0.formUnion(pairs($1)) } == pairs(block).subtracting(pairs(other)))
      #expect(
        left.reduce(0) { $0 + pairs($1).count } == pairs(block).subtracting(pairs(other)).count)
    }
    #expect(pairsOfBoth > 0)
  }

  /// A search that goes on row by row must not pile up rectangles.
  @Test func growingRectanglesBecomeOne() {
    var compared = ComparedRectangles()
    for row in 0..<10 { compared.add(ComparedRectangle(images: row..<row + 1, partners: 3..<9)) }
    #expect(compared.rectangles == [ComparedRectangle(images: 0..<10, partners: 3..<9)])
  }
}
