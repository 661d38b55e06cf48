import Execution
import Foundation
import ImageModel
import LinearAlgebra
import MPI

/// The graph of images and their neighbours, with the alignments on its edges (Singer and Wu 2012;
/// method E.7), and the products of its normalised connection matrices with vectors.
///
/// Each image I_i and its reflection are two of 2n nodes. Where rotating I_j, reflected first or not, by
/// alpha_ij aligns it to I_i, a quantity that turns with its image, such as e^{i phi} of the image's
/// in-plane angle phi, goes over from node j, or that of j's reflection, to node i by e^{i alpha_ij}; between
/// the other two nodes of the pair everything turns the other way. So the Hermitian matrix is
///
///     H = [A, B; conj B, conj A],   A_ij = e^{i alpha_ij} of edges without, B_ij of those with reflection
///
/// with A Hermitian and B symmetric, and its eigenvectors can be chosen as (u, conj u): those of the real
/// symmetric operator u -> A u + B conj(u) on R^{2n}, which has the same 2n eigenvalues. Normalised by D,
/// the number of each node's edges, they lie between -1 and 1.
struct ConnectionGraph {
  /// The images of this rank's slice, global indices.
  let images: Range<Int>
  /// D of this rank's images.
  let degrees: [Int]
  /// The neighbours that the table lists for this rank's images, k each, and what aligns them.
  let listed: [Int32]
  let listedAlignments: AlignmentColumns

  /// The edges of this rank's image i are `starts[i]..<starts[i + 1]`.
  fileprivate let starts: [Int]
  /// Where the neighbour's element is, among this rank's and then the fetched ones, times two; odd where
  /// it is reflected.
  fileprivate let elementIndices: [Int32]
  /// alpha of the edges.
  private let angles: [Float]
  /// This rank's images whose elements others need, in the order of the ranks, and how many each needs.
  fileprivate let sent: [Int32]
  fileprivate let sentCounts: [Int]
  fileprivate let threads: Int
  fileprivate let comm: Communicator

  /// The graph in which two images share an edge where either is among the first k neighbours of the
  /// other. If both are, the alignment is the one listed for the smaller index. Collective.
  ///
  /// - Parameters:
  ///   - table: rank 0's; other ranks' is not read.
  ///   - k: the first neighbours of each image that count.
  init(
    _ table: NeighbourTable, neighboursPerImage k: Int, partition: Partition, threads: Int,
    on comm: Communicator
  ) throws {
    precondition(k <= table.neighboursPerImage)
    self.comm = comm
    self.threads = threads
    let images = partition.range(of: comm.rank)
    self.images = images
    // Every rank gets its images' entries.
    let counts = (0..<comm.size).map { partition.range(of: $0).count * k }
    let first =
      comm.isRoot ? table.prefix(k) : NeighbourTable(count: 0, neighboursPerImage: k)
    listed = try comm.scatterRagged(first.indices, counts: counts)
    listedAlignments = try first.alignments.scattered(counts: counts, on: comm)

    // Each entry becomes an edge of its image here, and one of its neighbour at the neighbour's owner.
    var edges: [Edge] = []
    var away = [[UInt32]](repeating: [], count: comm.size)
    edges.reserveCapacity(2 * listed.count)
    for (at, neighbour) in listed.enumerated() where neighbour >= 0 {
      let edge = Edge(
        image: Int32(images.lowerBound + at / k), neighbour: neighbour,
        alignment: listedAlignments[at], isReversed: false)
      edges.append(edge)
      edge.reversed.appendWords(to: &away[partition.owner(of: Int(neighbour))])
    }
    let arrived = try comm.alltoallRagged(
      away.flatMap { $0 }, counts: away.map(\.count)
    ).values
    for start in stride(from: 0, to: arrived.count, by: Edge.wordCount) {
      edges.append(Edge(words: arrived[start..<start + Edge.wordCount]))
    }
    edges.sort { $0.order < $1.order }
    var unique: [Edge] = []
    unique.reserveCapacity(edges.count)
    for edge in edges
    where unique.last?.image != edge.image || unique.last?.neighbour != edge.neighbour {
      unique.append(edge)
    }

    // The plan of communication: whose elements are needed here, and whose are needed elsewhere.
    var remote = unique.map(\.neighbour).filter { !images.contains(Int($0)) }
    remote.sort()
    var needed: [Int32] = []
    for image in remote where needed.last != image { needed.append(image) }
    var fetchedIndices: [Int32: Int] = [:]
    fetchedIndices.reserveCapacity(needed.count)
    for (at, image) in needed.enumerated() { fetchedIndices[image] = images.count + at }
    var neededCounts = [Int](repeating: 0, count: comm.size)
    for image in needed { neededCounts[partition.owner(of: Int(image))] += 1 }
    let asked = try comm.alltoallRagged(needed, counts: neededCounts)
    sent = asked.values.map { $0 - Int32(images.lowerBound) }
    sentCounts = asked.counts

    var degrees = [Int](repeating: 0, count: images.count)
    for edge in unique { degrees[Int(edge.image) - images.lowerBound] += 1 }
    self.degrees = degrees
    starts = degrees.reduce(into: [0]) { $0.append($0.last! + $1) }
    elementIndices = unique.map { edge in
      let own = Int(edge.neighbour) - images.lowerBound
      let index = fetchedIndices[edge.neighbour] ?? own
      return Int32(index) << 1 | (edge.alignment.isReflected ? 1 : 0)
    }
    angles = unique.map(\.alignment.rotation)
  }

  /// D^{-1/2} (A + B conj) D^{-1/2} of the elements e^{i k alpha}: the connection of quantities that turn k
  /// times as fast as their images (Fan and Zhao 2019).
  func connection(frequency k: Int) -> Connection {
    Connection(graph: self, phases: angles.map { SIMD2(cos(Float(k) * $0), sin(Float(k) * $0)) })
  }

  /// The connection matrix of one angular frequency.
  struct Connection {
    fileprivate let graph: ConnectionGraph
    /// e^{i k alpha}: cosine and sine.
    fileprivate let phases: [SIMD2<Float>]

    /// y = D^{-1/2} (A + B conj) D^{-1/2} x for this rank's images. Collective.
    /// - Parameters:
    ///   - x, y: real and imaginary part of each of this rank's images, one image after the other.
    func multiply(_ x: UnsafeBufferPointer<Double>, into y: UnsafeMutableBufferPointer<Double>)
      throws
    {
      let count = graph.images.count
      let scales = graph.degrees.map { $0 > 0 ? 1 / Double($0).squareRoot() : 0 }
      var elements = scales.enumerated().map { SIMD2(x[2 * $0], x[2 * $0 + 1]) * $1 }
      let outgoing = graph.sent.flatMap { [elements[Int($0)].x, elements[Int($0)].y] }
      let incoming = try graph.comm.alltoallRagged(
        outgoing, counts: graph.sentCounts.map { 2 * $0 }
      ).values
      for at in stride(from: 0, to: incoming.count, by: 2) {
        elements.append(SIMD2(incoming[at], incoming[at + 1]))
      }
      let chunk = 512
      let parts = (count + chunk - 1) / chunk
      let (starts, elementIndices) = (graph.starts, graph.elementIndices)
      WorkerPool(threads: graph.threads, items: parts)
        .forEachRow(0..<parts, of: y, width: 2 * chunk) { [elements, phases] _, part, y in
          elements.withUnsafeBufferPointer { elements in
            elementIndices.withUnsafeBufferPointer { elementIndices in
              phases.withUnsafeBufferPointer { phases in
                for image in part * chunk..<min(part * chunk + chunk, count) {
                  var sum = SIMD2<Double>.zero
                  for edge in starts[image]..<starts[image + 1] {
                    var z = elements[Int(elementIndices[edge] >> 1)]
                    if elementIndices[edge] & 1 == 1 { z.y = -z.y }
                    let phase = SIMD2<Double>(phases[edge])
                    sum.addProduct(SIMD2(z.x, z.y), phase.x)
                    sum.addProduct(SIMD2(-z.y, z.x), phase.y)
                  }
                  let at = 2 * (image - part * chunk)
                  (y[at], y[at + 1]) = (sum.x * scales[image], sum.y * scales[image])
                }
              }
            }
          }
        }
    }
  }
}

/// An alignment of a neighbour to an image.
private struct Edge {
  var image: Int32
  var neighbour: Int32
  /// What aligns the neighbour to the image.
  var alignment: Alignment
  /// Whether it was listed for the neighbour.
  var isReversed: Bool

  /// The same alignment seen from the neighbour.
  var reversed: Edge {
    Edge(
      image: neighbour, neighbour: image, alignment: alignment.inverse, isReversed: !isReversed)
  }

  /// By image, then neighbour, the alignment listed for the smaller index first.
  var order: (Int32, Int32, Int) {
    (image, neighbour, (image < neighbour) == isReversed ? 1 : 0)
  }

  static let wordCount = 3 + Alignment.packedWords

  func appendWords(to words: inout [UInt32]) {
    words += [UInt32(image), UInt32(neighbour)]
    words.append((isReversed ? 1 : 0) << 1 | alignment.packedBit)
    alignment.appendWords(to: &words)
  }
}

extension Edge {
  init(words: ArraySlice<UInt32>) {
    let start = words.startIndex
    image = Int32(words[start])
    neighbour = Int32(words[start + 1])
    isReversed = words[start + 2] >> 1 == 1
    alignment = Alignment(packedBit: words[start + 2], words: words[(start + 3)...])
  }
}
