import ImageModel
import Testing

@testable import ClassAveraging

extension AlignmentColumns {
  /// Of angles, and 1 where reflected.
  init(_ rotations: [Float], reflected: [UInt8]) {
    self.init(zip(rotations, reflected).map { Alignment(rotation: $0, isReflected: $1 == 1) })
  }
}

@Suite struct AlignmentColumnsTests {
  private let some: [Alignment] = (0..<9).map {
    Alignment(rotation: Float($0) / 4 - 1, isReflected: [0, 3, 4, 8].contains($0))
  }

  /// What becomes of them by some changes, one after the other.
  private func changed<Column: TableColumn & MutableCollection>(_ column: Column) -> [[Alignment]]
  where Column.Element == Alignment {
    let other = Alignment(rotation: 3, isReflected: true)
    var (column, steps) = (column, [Array(column)])
    func step(_ body: (inout Column) -> Void) {
      body(&column)
      steps.append(Array(column))
    }
    step { $0[2] = other }
    step { $0.append(other) }
    step { $0.replaceSubrange(1..<4, with: [.identity]) }
    step { $0.append(contentsOf: $0[1..<4]) }
    step { $0.removeSubrange(0..<2) }
    step { $0.swapAt(0, 5) }
    step { $0 = Column($0[2..<5]) }
    step { $0 = Column(repeating: other, count: 3) }
    step { $0 = Column() }
    return steps
  }

  @Test("Whatever is done to them, the columns are what a plain array is")
  func columnsAreAnArray() {
    #expect(changed(AlignmentColumns(some)) == changed(some))
    #expect(AlignmentColumns(some) == AlignmentColumns(some))
    // Each of the numbers counts.
    let turned = AlignmentColumns([Alignment(rotation: 3)])
    #expect(turned != AlignmentColumns([Alignment(rotation: 2)]))
    #expect(turned != AlignmentColumns([Alignment(rotation: 3, isReflected: true)]))
  }
}
