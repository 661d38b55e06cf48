import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import Execution
@testable import Simulation

extension SerialRanks {
  /// Right on any number of ranks up to `parameters.images`.
  @Suite(.timeLimit(.minutes(2)))
  struct SimulationRanks {
    private let boxSize = 48
    private let parameters: SimulationParameters = {
      var parameters = SimulationParameters()
      parameters.images = 14
      parameters.defocusGroups = 4
      parameters.signalToNoiseRatio = 0.3
      parameters.seed = 20_161_110
      return parameters
    }()

    @Test("Files hold what truth and formula say: projections, CTF, noise and their ratio")
    func filesAreConsistent() throws {
      try withFolder { folder, comm in
        let phantom = GaussianPhantom.ribosomeLike(boxSize: boxSize)
        let summary = try Simulation.run(parameters, map: phantom, folder: folder, on: comm)
        let set = try ParticleSet.read(starFile: folder.particlesSTAR, ctf: .required)
        #expect(set.boxSize == boxSize)
        #expect(set.pixelSize == 2.82)
        #expect(set.particles.count == parameters.images)
        let particles = try pixels(folder.particles)
        let clean = try pixels(folder.clean)
        let truth = try truth(folder)
        var (sum, squares) = (0.0, 0.0)
        for image in 0..<parameters.images {
          let range = image * boxSize * boxSize..<(image + 1) * boxSize * boxSize
          let projection = clean[range].map { Double($0) / summary.scale }
          #expect(distance(projection, phantom.projection(truth[image].orientation)) < 1e-3)

          let defocus = 10_000 + 10_000 * Double(image % 4)
          #expect(truth[image].group == image % 4)
          #expect(set.particles[image].ctf.defocusU == defocus)
          let filtered = filter(clean[range].map(Double.init), by: set.particles[image].ctf)
          sum += filtered.reduce(0, +)
          squares += filtered.reduce(0) { $0 + $1 * $1 }

          var noise = [Double](repeating: 0, count: filtered.count)
          noise.withUnsafeMutableBufferPointer {
            RandomStream(seed: parameters.seed, image: image, purpose: .noise).fillNormals($0)
          }
          #expect(distance(particles[range].map(Double.init), zip(filtered, noise).map(+)) < 1e-5)
        }
        let mean = sum / Double(clean.count)
        let ratio = squares / Double(clean.count) - mean * mean
        #expect(abs(ratio / 0.3 - 1) < 1e-5, "variance of the signal \(ratio)")
      }
    }

    @Test("A simulation is not overwritten by mistake")
    func overwrite() throws {
      try withFolder { folder, comm in
        let phantom = GaussianPhantom.ribosomeLike(boxSize: 16)
        try Simulation.run(parameters, map: phantom, folder: folder, on: comm)
        let first = try pixels(folder.particles)
        var others = parameters
        others.seed += 1
        #expect(throws: ReportedError.self) {
          try Simulation.run(others, map: phantom, folder: folder, on: comm)
        }
        #expect(try pixels(folder.particles) == first)
        try comm.barrier()
        try Simulation.run(others, map: phantom, folder: folder, overwrite: true, on: comm)
        #expect(try pixels(folder.particles) != first)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(names == ["clean.mrcs", "particles.mrcs", "particles.star", "truth.star"])
      }
    }

    @Test("A map that fails on the way leaves nothing")
    func leavesNothing() throws {
      struct BrokenMap: DensityMap {
        struct Failure: Error {}
        let boxSize = 16
        func readSection(_ z: Int, into values: UnsafeMutableBufferPointer<Double>) throws {
          if z == 11 { throw Failure() }
          values.update(repeating: 1)
        }
      }
      try withFolder { folder, comm in
        #expect(throws: ReportedError.self) {
          try Simulation.run(parameters, map: BrokenMap(), folder: folder, on: comm)
        }
        try comm.barrier()
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
      }
    }

    /// A folder that is the same on all ranks, for one test.
    private func withFolder(_ body: (SimulationFolder, Communicator) throws -> Void) throws {
      let comm = try testWorld()
      let path = try comm.broadcast(
        FileManager.default.temporaryDirectory.appending(path: "kindred-\(UUID())").path)
      defer { try? FileManager.default.removeItem(atPath: path) }
      try body(SimulationFolder(path: path), comm)
      try comm.barrier()
    }

    private func pixels(_ path: String) throws -> [Float] {
      let file = try MRCFile(path: path)
      var pixels = [Float](repeating: 0, count: file.sections * file.width * file.height)
      try pixels.withUnsafeMutableBufferPointer {
        try file.read(sections: 0..<file.sections, into: $0)
      }
      return pixels
    }

    /// Orientation and group by the columns' order in the file, read without the library.
    private func truth(_ folder: SimulationFolder) throws -> [(
      orientation: Orientation, group: Int
    )] {
      let text = try String(contentsOfFile: folder.truth, encoding: .utf8)
      let rows = text.split(separator: "\n").map { $0.split(separator: " ") }.filter {
        $0.count == 5
      }
      return rows.map { row in
        let angles = row[1...3].map { Double($0)! }
        return (Orientation(rot: angles[0], tilt: angles[1], psi: angles[2]), Int(row[4])!)
      }
    }

    /// The root mean square difference relative to the second.
    private func distance(_ a: [Double], _ b: [Double]) -> Double {
      let error = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      return (error / b.reduce(0) { $0 + $1 * $1 }).squareRoot()
    }

    /// The image filtered by its CTF: direct sums over rows and columns.
    private func filter(_ image: [Double], by ctf: CTFParameters) -> [Double] {
      let size = boxSize
      let waves = (0..<size).map { index in
        let angle = 2 * Double.pi * Double(index) / Double(size)
        return SIMD2(cos(angle), sin(angle))
      }
      func times(_ a: SIMD2<Double>, _ b: SIMD2<Double>) -> SIMD2<Double> {
        [a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x]
      }
      /// Sums over the first index, which becomes the second.
      func transform(_ values: [SIMD2<Double>], sign: Int) -> [SIMD2<Double>] {
        var result = values
        for column in 0..<size {
          for k in 0..<size {
            var sum = SIMD2<Double>.zero
            for row in 0..<size {
              let wave = waves[((sign * k * row) % size + size) % size]
              sum += times(values[row * size + column], wave)
            }
            result[column * size + k] = sum
          }
        }
        return result
      }
      var spectrum = transform(transform(image.map { [$0, 0] }, sign: -1), sign: -1)
      for row in 0..<size {
        for column in 0..<size {
          let (ky, kx) = (
            row < (size + 1) / 2 ? row : row - size,
            column < (size + 1) / 2 ? column : column - size
          )
          let step = 1 / (Double(size) * 2.82)
          spectrum[row * size + column] *=
            ctf.value(kx: Double(kx) * step, ky: Double(ky) * step) / Double(size * size)
        }
      }
      return transform(transform(spectrum, sign: 1), sign: 1).map(\.x)
    }
  }
}
