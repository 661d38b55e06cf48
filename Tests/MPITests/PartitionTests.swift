import MPI
import Testing

@Suite struct PartitionTests {
  @Test(arguments: [(0, 3), (1, 4), (3, 4), (4, 4), (10, 3), (11, 3), (12, 3), (1000, 7)])
  func slicesCoverAllItemsEvenly(total: Int, parts: Int) {
    let partition = Partition(of: total, among: parts)
    var next = 0
    for part in 0..<parts {
      let range = partition.range(of: part)
      #expect(range.lowerBound == next)
      #expect(range.count == total / parts || range.count == (total + parts - 1) / parts)
      for item in range { #expect(partition.owner(of: item) == part) }
      next = range.upperBound
    }
    #expect(next == total)
  }
}
