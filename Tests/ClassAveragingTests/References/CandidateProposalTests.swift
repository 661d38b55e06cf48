import TestSupport
import Testing

@testable import ClassAveraging

@Suite struct CandidateProposalTests {
  @Test(
    "Neighbours of neighbours are the largest elements of the matrix product", arguments: [1, 3])
  func agreesWithTheProduct(threads: Int) throws {
    let (count, k, longest, wanted) = (24, 4, 3, 5)
    let numbers = randomNumbers(count * k, seed: 3).map { abs($0) + 0.01 }
    var table = NeighbourTable(count: count, neighboursPerImage: k)
    for image in 0..<count {
      for at in 0..<k { table.indices[image * k + at] = Int32((image + 1 + at * at) % count) }
    }
    table.indices[7 * k + 1] = -1
    var weights = [[Double]](repeating: .init(repeating: 0, count: count), count: count)
    for image in 0..<count {
      weights[image][image] = 1
      for at in 0..<longest where table.indices[image * k + at] >= 0 {
        let other = Int(table.indices[image * k + at])
        weights[image][other] += numbers[image * k + at]
        weights[other][image] += numbers[image * k + at]
      }
    }
    let proposal = try CandidateProposal(
      among: table, longest: longest, count: wanted, threads: threads, on: testWorld()
    ) { numbers[$0] }
    let found = proposal.candidates(of: 3..<20)
    for image in 3..<20 {
      let sums = (0..<count).map { other in
        other == image
          ? -1 : (0..<count).reduce(0) { $0 + weights[image][$1] * weights[$1][other] }
      }
      let best = sums.indices.sorted { sums[$0] > sums[$1] }.prefix(wanted).sorted()
      #expect(found[(image - 3) * wanted..<(image - 2) * wanted] == best.map { Int32($0) }[...])
    }
  }

  @Test(
    "The largest sums are those of a sort, of equal ones those of smaller columns",
    arguments: [1, 7, 100, 999])
  func largestSums(count: Int) throws {
    let columns = 1000
    // Few values, so that many sums are equal; a tenth of the columns have none.
    let weights = randomNumbers(2 * columns, seed: 8).map { Float(Int(8 * abs($0))) }
    let rows = WeightedLists(rows: 2) { add in
      for row in 0..<2 {
        for column in 0..<columns where column % 10 != 3 {
          add(row, Int32(column), weights[row * columns + column])
        }
      }
    }
    let lists = try NodeLists(rows, on: testWorld())
    let sum = ListSum(columns: columns, kinds: 2)
    let all = (0..<columns).map { weights[$0] + 2 * weights[columns + $0] }
    // Asked for twice: nothing is left of the first time.
    for excluded in [5, 700] {
      for row in 0..<2 { sum.add(lists, row: row, weight: Float(1 + row), kind: row) }
      let found = sum.takeBest(count, excluding: excluded)
      let expected = (0..<columns).filter { $0 % 10 != 3 && $0 != excluded }
        .sorted { (all[$1], $0) < (all[$0], $1) }.prefix(count).sorted()
      #expect(found.columns == expected.map { Int32($0) })
      for (at, column) in expected.enumerated() {
        #expect(abs(found.sums[2 * at] - weights[column]) < 1e-6)
        #expect(abs(found.sums[2 * at + 1] - 2 * weights[columns + column]) < 1e-6)
      }
    }
  }

  @Test("Fewer candidates than asked for are followed by -1, and landmarks are drawn by the seed")
  func ends() throws {
    var table = NeighbourTable(count: 5, neighboursPerImage: 1)
    table.indices[2] = 4
    let proposal = try CandidateProposal(
      among: table, longest: 1, count: 3, threads: 1, on: testWorld()
    ) { _ in 0.5 }
    #expect(proposal.candidates(of: 0..<3) == [-1, -1, -1, -1, -1, -1, 4, -1, -1])

    let drawn = ReferenceClasses.draw(20, of: 100, seed: 1)
    #expect(drawn == drawn.sorted() && Set(drawn).count == 20 && drawn.last! > 50)
    #expect(drawn == ReferenceClasses.draw(20, of: 100, seed: 1))
    #expect(drawn != ReferenceClasses.draw(20, of: 100, seed: 2))
  }
}
