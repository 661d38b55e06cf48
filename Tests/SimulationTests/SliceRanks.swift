import Foundation
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import Simulation

extension SerialRanks {
  /// Right on any number of ranks.
  @Suite(.timeLimit(.minutes(2)))
  struct SliceRanks {
    private static let orientations = [
      Orientation(rot: 0, tilt: 0, psi: 0), Orientation(rot: 37, tilt: 62, psi: -15),
      Orientation(rot: -120, tilt: 145, psi: 171), Orientation(rot: 5, tilt: 90, psi: 90),
    ]

    @Test("Slices are the phantom's projections in closed form", arguments: [64, 65, 33])
    func closedForm(boxSize: Int) throws {
      // Smooth enough for the smallest box: what a box cannot hold is no error of the slices.
      let phantom = GaussianPhantom.ribosomeLike(boxSize: boxSize)
      let images = try projections(of: phantom, Self.orientations)
      for (orientation, image) in zip(Self.orientations, images) {
        let exact = phantom.projection(orientation)
        let error = zip(image, exact).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let norm = exact.reduce(0) { $0 + $1 * $1 }
        let relative = (error / norm).squareRoot()
        #expect(relative < (boxSize > 40 ? 1e-4 : 1e-3), "\(orientation): \(relative)")
      }
    }

    @Test("The window interpolates to some 1e-5 of the signal")
    func smoothPhantom() throws {
      // Nothing at Nyquist and nothing at the border: what is left is the interpolation's error.
      let phantom = GaussianPhantom(
        boxSize: 40,
        components: [
          .init(mass: 2, centre: [3.3, -2.1, 1.7], direction: [1, 2, 3], along: 3, across: 2.4)
        ])
      let images = try projections(of: phantom, Self.orientations)
      for (orientation, image) in zip(Self.orientations, images) {
        let exact = phantom.projection(orientation)
        let error = zip(image, exact).map { abs($0 - $1) }.max()!
        #expect(error < 3e-5 * exact.max()!, "\(orientation): \(error / exact.max()!)")
      }
    }

    @Test("A point off the centre lands where the rotation matrix says", arguments: [24, 25])
    func landing(boxSize: Int) throws {
      let position = SIMD3(4.0, -2.0, 5.5)
      let phantom = GaussianPhantom(
        boxSize: boxSize, components: [.init(mass: 1, centre: position, along: 1.2, across: 1.2)])
      // By hand: rot = 90 takes the map's y axis to the image's x axis and the map's -x axis to the
      // image's y axis; tilt = 90 takes the map's -z axis to the image's x axis.
      let cases = [
        (Orientation(rot: 0, tilt: 0, psi: 0), 4.0, -2.0),
        (Orientation(rot: 90, tilt: 0, psi: 0), -2.0, -4.0),
        (Orientation(rot: 0, tilt: 0, psi: 90), -2.0, -4.0),
        (Orientation(rot: 0, tilt: 90, psi: 0), -5.5, -2.0),
      ]
      let images = try projections(of: phantom, cases.map(\.0))
      for ((orientation, x, y), image) in zip(cases, images) {
        var (mass, first) = (0.0, SIMD2<Double>.zero)
        for (index, pixel) in image.enumerated() {
          mass += pixel
          first += SIMD2(Double(index % boxSize), Double(index / boxSize)) * pixel
        }
        let centroid = first / mass - Double(boxSize / 2)
        #expect(abs(mass - 1) < 1e-5)
        #expect(
          abs(centroid.x - x) < 1e-3 && abs(centroid.y - y) < 1e-3, "\(orientation): \(centroid)")
      }
    }

    @Test(
      "Projections by relion_project are ours",
      .enabled(if: SharedData.isPresent, "the folder ../shared/data is absent"))
    func agreesWithRELION() throws {
      // relion_project puts the centre of an odd box one pixel further in x and y than its L/2.
      let map = try MRCDensityMap(path: SharedData.path + "/maps/ribosome70S_65.mrc")
      let stack = try MRCFile(path: SharedData.path + "/real/rln_proj_65.mrcs")
      let angles = [
        (355.858841, 72.200518, 240.688133), (63.759542, 92.697219, 303.796113),
        (178.751045, 42.736465, 137.511331), (248.292861, 83.402259, 197.749400),
        (99.680307, 72.793409, 270.791295),
      ]
      let images = try projections(
        of: map, angles.map { Orientation(rot: $0.0, tilt: $0.1, psi: $0.2) })
      let box = map.boxSize
      for (section, image) in images.enumerated() {
        var theirs = [Float](repeating: 0, count: box * box)
        try theirs.withUnsafeMutableBufferPointer {
          try stack.read(sections: section..<section + 1, into: $0)
        }
        var pairs: [SIMD2<Double>] = []
        for y in 0..<box - 1 {
          for x in 0..<box - 1 {
            pairs.append([image[y * box + x], Double(theirs[(y + 1) * box + x + 1])])
          }
        }
        let mean = pairs.reduce(.zero, +) / Double(pairs.count)
        let centred = pairs.map { $0 - mean }
        let squares = centred.reduce(.zero) { $0 + $1 * $1 }
        let product = centred.reduce(0) { $0 + $1.x * $1.y }
        let correlation = product / (squares.x * squares.y).squareRoot()
        #expect(correlation > 0.999, "section \(section): \(correlation)")
      }
    }

    private func projections(of map: some DensityMap, _ orientations: [Orientation]) throws
      -> [[Double]]
    {
      let spectrum = try VolumeSpectrum.transform(map, on: try testWorld())
      let projector = SliceProjector(boxSize: map.boxSize)
      let images = orientations.map { orientation in
        var image = [Double](repeating: .nan, count: map.boxSize * map.boxSize)
        projector.cut(spectrum, orientation)
        image.withUnsafeMutableBufferPointer {
          projector.synthesise(filter: nil, scale: 1, into: $0.baseAddress!)
        }
        return image
      }
      return images
    }
  }
}
