import Foundation
import MPI
import TestSupport
import Testing

@testable import ClassAveraging

/// The ranks of a node share blocks of images.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct NodeBlocksRanks {
  private static let width = 3

  /// Blocks of 1, 2, 3, 1, ... lane groups; rank r's have the images 1000 r, 1000 r + 1, ... and coefficients that
  /// tell them apart.
  private func blocks(_ count: Int, rank: Int) -> [PairBlock] {
    var image = Int32(1000 * rank)
    return (0..<count).map { number in
      let block = PairBlock(width: Self.width, laneGroupCount: 1 + number % 3)
      for at in 0..<block.laneGroupCount {
        block.fill(at, group: Int32(number)) { target in
          for lane in 0..<5 {
            for i in 0..<Self.width { target[i][lane] = Float(image) + 0.25 * Float(i) }
            target[Self.width + 1][lane] = Float(bitPattern: UInt32(image))
            image += 1
          }
        }
      }
      return block
    }
  }

  private func images(_ block: PairBlock) -> [Int32] {
    (0..<block.count).map { block.index($0) }.filter { $0 >= 0 }
  }

  /// What this rank takes of the blocks that each rank has; each coefficient is checked.
  private func taken(_ count: Int, _ node: Communicator, each: () -> Void = {}) throws -> [Int32] {
    let shared = try NodeBlocks(
      blocks(count, rank: node.rank), width: Self.width, node: node)
    var own: [Int32] = []
    while let block = shared.next() {
      for row in 0..<block.count where block.index(row) >= 0 {
        let vectors = block.coefficients(row / 16)
        for i in 0..<Self.width {
          #expect(vectors[i][row % 16] == Float(block.index(row)) + 0.25 * Float(i))
        }
      }
      own += images(block)
      each()
    }
    try node.barrier()
    try shared.free()
    return own
  }

  @Test(arguments: 0..<4) func eachBlockOnce(seed: Int) throws {
    let node = try testWorld().splitByNode()
    // Ranks have different numbers of blocks, the last of several none.
    let count = node.size > 1 && node.rank == node.size - 1 ? 0 : 7 + 5 * node.rank
    var pauses = randomNumbers(1000, seed: UInt64(4 * seed + node.rank))[...]
    let own = try taken(count, node) { usleep(UInt32(abs(pauses.removeFirst()) * 1000)) }
    let all = try node.allgatherRagged(own).sorted()
    let expected = try node.allgatherRagged(blocks(count, rank: node.rank).flatMap(images))
    #expect(all == expected.sorted())
  }

  @Test func theOthersDoWhatASlowRankLeaves() throws {
    let node = try testWorld().splitByNode()
    let own = try taken(12, node) { if node.isRoot && node.size > 1 { usleep(300_000) } }
    let all = try node.allgatherRagged(own).sorted()
    let expected = blocks(12, rank: 0).flatMap(images)
    #expect(all.filter { $0 < 1000 } == expected)
    if node.isRoot && node.size > 1 {
      #expect(own.count < expected.count / 2 && own == Array(expected.prefix(own.count)))
    }
  }
}
