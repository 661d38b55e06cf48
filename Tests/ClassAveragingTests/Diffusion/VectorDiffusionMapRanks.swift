import COpenBLAS
import Foundation
import ImageModel
import MPI
import TestSupport
import Testing

@testable import ClassAveraging
@testable import Execution

@Suite("Vector diffusion maps", .serialized, .timeLimit(.minutes(2)))
struct VectorDiffusionMapRanks {
  /// A table of k random neighbours of each image, aligned at random: every rule of the graph matters.
  private func randomTable(images: Int, k: Int) -> NeighbourTable {
    var table = NeighbourTable(count: images, neighboursPerImage: k)
    let numbers = randomNumbers(3 * images * k, seed: 8)
    for entry in 0..<images * k {
      let image = entry / k
      let taken = [image] + table.indices[image * k..<entry].map(Int.init)
      var other = Int((numbers[3 * entry] + 1) / 2 * Double(images)) % images
      while taken.contains(other) { other = (other + 1) % images }
      table.indices[entry] = Int32(other)
      table.alignments[entry] = Alignment(
        rotation: Float(3.14 * numbers[3 * entry + 1]), isReflected: numbers[3 * entry + 2] < 0)
    }
    return table
  }

  private func graph(_ table: NeighbourTable, k: Int, on comm: Communicator) throws
    -> ConnectionGraph
  {
    try ConnectionGraph(
      comm.isRoot ? table : NeighbourTable(count: 0, neighboursPerImage: table.neighboursPerImage),
      neighboursPerImage: k, partition: Partition(of: table.count, among: comm.size), threads: 2,
      on: comm)
  }

  private func search(
    _ table: NeighbourTable, k: Int, eigenvectors: Int, frequencies: Int = 1, time: Int,
    count: Int, on comm: Communicator
  ) throws -> (map: VectorDiffusionMap, found: DiffusionSearch) {
    let partition = Partition(of: table.count, among: comm.size)
    let graph = try graph(table, k: k, on: comm)
    var options = VectorDiffusionMap.Options()
    (options.eigenvectors, options.frequencies, options.time) = (eigenvectors, frequencies, time)
    let map = try VectorDiffusionMap(graph, partition: partition, options: options, on: comm)
    let found = try DiffusionSearch(
      map, graph: graph, partition: partition, candidateCount: count, on: comm,
      observer: SilentObserver())
    return (map, found)
  }

  /// Eigenvalues, ascending, and eigenvectors [column * 2n + row] of the Hermitian matrix over the images
  /// (0..<n) and their reflections (n..<2n), built from the meaning of a table's entry.
  private func hermitianEigensystem(_ table: NeighbourTable, k: Int, frequency: Int) -> (
    values: [Double], vectors: [SIMD2<Double>]
  ) {
    let n = table.count
    var matrix = [SIMD2<Double>](repeating: .zero, count: 4 * n * n)
    var edges = Set<[Int]>()
    // Listed for the smaller index last: it stays.
    for own in [false, true] {
      for image in 0..<n {
        for entry in image * table.neighboursPerImage..<image * table.neighboursPerImage + k {
          let other = Int(table.indices[entry])
          if (image < other) != own { continue }
          edges.insert([min(image, other), max(image, other)])
          let angle = Double(frequency) * Double(table.alignments[entry].rotation)
          // (row, column): the row's node is the column's, turned by the angle.
          let links = [
            (image, other + n, angle), (image + n, other, -angle),
            (image, other, angle), (image + n, other + n, -angle),
          ]
          for (at, (row, column, turn)) in links.enumerated() {
            let isPresent = (at < 2) == table.alignments[entry].isReflected
            let value = isPresent ? SIMD2(cos(turn), sin(turn)) : .zero
            matrix[column * 2 * n + row] = value
            matrix[row * 2 * n + column] = SIMD2(value.x, -value.y)
          }
        }
      }
    }
    var degrees = [Double](repeating: 0, count: n)
    for edge in edges { for image in edge { degrees[image] += 1 } }
    for column in 0..<2 * n {
      for row in 0..<2 * n {
        matrix[column * 2 * n + row] /= (degrees[row % n] * degrees[column % n]).squareRoot()
      }
    }
    var values = [Double](repeating: 0, count: 2 * n)
    let info = matrix.withUnsafeMutableBufferPointer {
      LAPACKE_zheevd(
        LAPACK_COL_MAJOR, CChar(UInt8(ascii: "V")), CChar(UInt8(ascii: "L")), Int32(2 * n),
        UnsafeMutableRawPointer($0.baseAddress!).assumingMemoryBound(
          to: kindred_complex_double.self), Int32(2 * n), &values)
    }
    #expect(info == 0)
    return (values, matrix)
  }

  @Test(
    "Eigenvalues and affinities are those of the Hermitian matrix of images and reflections",
    arguments: [1, 3])
  func agreesWithTheHermitianMatrix(frequencies: Int) throws {
    let world = try testWorld()
    let (n, k, m, t) = (50, 5, 12, 3)
    let table = randomTable(images: n, k: 7)
    let systems = (1...frequencies).map { hermitianEigensystem(table, k: k, frequency: $0) }
    let (map, found) = try search(
      table, k: k, eigenvectors: m, frequencies: frequencies, time: t, count: n - 1, on: world)
    // The edges' phases are kept in single precision.
    for (own, system) in zip(map.eigenvalues, systems) {
      for l in 0..<m { #expect(abs(own[l] - system.values[2 * n - 1 - l]) < 1e-7) }
    }

    // S^{2t}, truncated, of two nodes, and the sum of its squares.
    func squares(_ a: Int, _ b: Int) -> Double {
      systems.reduce(0) { squares, system in
        var sum = SIMD2<Double>.zero
        for column in 2 * n - m..<2 * n {
          let (x, y) = (system.vectors[column * 2 * n + a], system.vectors[column * 2 * n + b])
          let product = SIMD2(x.x * y.x + x.y * y.y, x.y * y.x - x.x * y.y)
          sum += pow(system.values[column], Double(2 * t)) * product
        }
        return squares + (sum * sum).sum()
      }
    }
    func affinity(_ a: Int, _ b: Int) -> Double {
      squares(a, b) / (squares(a, a) * squares(b, b)).squareRoot()
    }
    let own = Partition(of: n, among: world.size).range(of: world.rank)
    var flags = 0
    for (at, image) in own.enumerated() {
      let entries = at * (n - 1)..<(at + 1) * (n - 1)
      #expect(Set(found.candidates[entries]).union([Int32(image)]).count == n)
      for entry in entries {
        let other = Int(found.candidates[entry])
        let (plain, mirrored) = (affinity(image, other), affinity(image, other + n))
        #expect(abs(max(plain, mirrored) - Double(found.scores[entry])) < 1e-6)
        if abs(plain - mirrored) > 1e-6 {
          #expect((found.reflected[entry] == 1) == (mirrored > plain))
          flags += 1
        }
        if entry > entries.lowerBound { #expect(found.scores[entry] <= found.scores[entry - 1]) }
      }
    }
    #expect(flags > own.count * (n - 1) * 9 / 10)
  }

  @Test("Where all alignments are exact, images of one view have affinity 1")
  func noiseFree() throws {
    let world = try testWorld()
    let (n, views, k) = (90, 3, 6)
    let table = exactTable(images: n, views: views, k: k)
    // Each view's part of the graph and its mirror image have eigenvalue 1.
    let count = n / views - 1
    let (map, found) = try search(
      table, k: k, eigenvectors: 2 * views, time: 2, count: count, on: world)
    for value in map.eigenvalues[0] { #expect(abs(value - 1) < 1e-7) }
    let own = Partition(of: n, among: world.size).range(of: world.rank)
    for (at, image) in own.enumerated() {
      for entry in at * count..<(at + 1) * count {
        let other = Int(found.candidates[entry])
        #expect(other % views == image % views)
        #expect(found.scores[entry] > 1 - 1e-5)
        #expect((found.reflected[entry] == 1) == (isReflected(image) != isReflected(other)))
      }
    }
  }

  private func isReflected(_ image: Int) -> Bool { image % 7 < 3 }

  /// Image i is view i % views, reflected or not, then rotated; neighbours are of the same view.
  private func exactTable(images: Int, views: Int, k: Int) -> NeighbourTable {
    var table = NeighbourTable(count: images, neighboursPerImage: k)
    let angles = randomNumbers(images, seed: 31).map { .pi * $0 }
    let perView = images / views
    for image in 0..<images {
      for entry in 0..<k {
        let step = [1, 4, 9, 13, 17, 22][entry]
        let other = (image / views + step) % perView * views + image % views
        let differs = isReflected(image) != isReflected(other)
        // R(a) R(-b), or R(a) S R(-b) = R(a + b) S.
        let angle = differs ? angles[image] + angles[other] : angles[image] - angles[other]
        table.indices[image * k + entry] = Int32(other)
        table.alignments[image * k + entry] = Alignment(
          rotation: Float(angle), isReflected: differs)
      }
    }
    return table
  }

  @Test("An image that the eigenvectors do not reach keeps its graph's neighbours")
  func apart() throws {
    let world = try testWorld()
    let (n, k) = (36, 3)
    var table = exactTable(images: n, views: 1, k: k)
    // The last four see only each other, and their alignments contradict each other.
    for image in 0..<n - 4 {
      for entry in image * k..<(image + 1) * k where table.indices[entry] >= 32 {
        let other = [20, 21, 22].map { (image + $0) % 32 }[entry % k]
        table.indices[entry] = Int32(other)
        let angles = randomNumbers(n, seed: 31).map { .pi * $0 }
        let differs = isReflected(image) != isReflected(other)
        table.alignments[entry] = Alignment(
          rotation: Float(
            differs ? angles[image] + angles[other] : angles[image] - angles[other]),
          isReflected: differs)
      }
    }
    for image in n - 4..<n {
      let others = (n - 4..<n).filter { $0 != image }
      for (entry, other) in others.enumerated() {
        table.indices[image * k + entry] = Int32(other)
        table.alignments[image * k + entry] = Alignment(
          rotation: Float(image * 2 + entry), isReflected: entry == 1)
      }
    }
    let (_, found) = try search(table, k: k, eigenvectors: 2, time: 1, count: k, on: world)
    let own = Partition(of: n, among: world.size).range(of: world.rank)
    for (at, image) in own.enumerated() {
      let entries = at * k..<(at + 1) * k
      if image >= n - 4 {
        #expect(found.candidates[entries] == table.indices[image * k..<(image + 1) * k])
        #expect(found.reflected[entries] == [0, 1, 0])
        #expect(found.scores[entries] == [0, 0, 0])
      } else {
        #expect(found.candidates[entries].allSatisfy { $0 < 32 })
        #expect(found.scores[entries].allSatisfy { $0 > 1 - 1e-5 })
      }
    }
  }

  @Test("Lists are the same at any number of ranks")
  func rankInvariance() throws {
    let world = try testWorld()
    let alone = try world.split(colour: world.rank, key: 0)
    let (n, count) = (700, 10)
    let table = randomTable(images: n, k: 8)
    let lonely = try search(table, k: 8, eigenvectors: 24, time: 4, count: count, on: alone).found
    let together = try search(table, k: 8, eigenvectors: 24, time: 4, count: count, on: world).found
    let candidates = try world.allgatherRagged(together.candidates)
    let reflected = try world.allgatherRagged(together.reflected)
    let same = candidates.indices.count {
      candidates[$0] == lonely.candidates[$0] && reflected[$0] == lonely.reflected[$0]
    }
    #expect(candidates.count == n * count && same >= candidates.count * 999 / 1000)
  }
}
