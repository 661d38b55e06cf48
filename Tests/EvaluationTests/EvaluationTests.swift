import Foundation
import MPI
import ParticleIO
import Testing

@testable import Evaluation

extension SerialTests {
  @Suite struct EvaluationTests {
    private func measure(_ set: SyntheticSet, memory: Int = 1 << 30) throws -> EvaluationSummary {
      var evaluation = Evaluation(run: set.folder.path, truth: set.folder.path)
      evaluation.memoryPerNode = memory
      let summary = try evaluation.measure(on: Universe.world())
      return try #require(summary)
    }

    @Test func findsTrueNeighboursAndTheirRotations() throws {
      let set = try SyntheticSet()
      let summary = try measure(set)
      #expect(summary.images == 4 && summary.neighbours == 3 && summary.pairs == 12)
      #expect(summary.trueNeighbours == 6)
      #expect(try #require(summary.rotationError90thPercentile) < 0.05)
      #expect(summary.averages == nil)

      // A reported rotation that is 10 degrees off shows as such, across the turn of 360 degrees too.
      try set.write(SyntheticSet.rotation.map { $0 - 710 }, "rotation.npy")
      #expect(abs(try #require(try measure(set).medianRotationError) - 10) < 0.05)

      // Without the reflections only the pair of the picture and its turned copy is left.
      try set.write([UInt8](repeating: 0, count: 12), "reflected.npy")
      #expect(try measure(set).trueNeighbours == 2)
    }

    @Test func anglesBetweenViewingDirectionsTakeReflectionsIn() throws {
      let set = try SyntheticSet()
      let summary = try measure(set)
      // By spherical trigonometry; image 2 seen from behind is at rot 180, tilt 4.
      func cosine(_ degrees: Double) -> Double { cos(degrees * .pi / 180) }
      func sine(_ degrees: Double) -> Double { sin(degrees * .pi / 180) }
      let oneTwo =
        acos(cosine(8) * cosine(4) + sine(8) * sine(4) * cosine(150)) * 180 / .pi  // 11.6
      let oneThree = acos(sine(8) * cosine(30)) * 180 / .pi  // 83.1
      // 4 and 8 with image 0; 90 of 0 and 3; 86 = 90 - 4 of 2 and 3, not mirrored: 176 - 90.
      let pairs = [8, 8, 4, 4, oneTwo, oneTwo, 90, 90, oneThree, oneThree, 86, 86].sorted()
      #expect(abs(try #require(summary.medianAngle) - (pairs[5] + pairs[6]) / 2) < 1e-9)
      #expect(summary.below5Degrees == 2.0 / 12)
      #expect(summary.below10Degrees == 4.0 / 12)
      #expect(summary.below20Degrees == 6.0 / 12)
      #expect(summary.angleHistogram[Int(oneTwo)] == 2 && summary.angleHistogram[83] == 2)
      #expect(summary.angleHistogram.reduce(0, +) == 12)

      // The same directions as the third columns of matrices.
      try set.remove("truth.star")
      let matrices = SyntheticSet.angles.flatMap { angles -> [Float] in
        let v = [
          sine(angles.tilt) * cosine(angles.rot), sine(angles.tilt) * sine(angles.rot),
          cosine(angles.tilt),
        ]
        return (0..<9).map { $0 % 3 == 2 ? Float(v[$0 / 3]) : -7 }
      }
      try NPY.write(matrices, shape: [4, 3, 3], to: set.folder.file("rotations.npy"))
      let again = try measure(set)
      #expect(abs(try #require(again.medianAngle) - (pairs[5] + pairs[6]) / 2) < 1e-4)
      #expect(again.below10Degrees == 4.0 / 12)
    }

    @Test func smallMemoryGivesTheSameNumbers() throws {
      let set = try SyntheticSet()
      let spectrum = PolarSpectra(side: SyntheticSet.side).count * 4
      let whole = try measure(set)
      #expect(try measure(set, memory: 1) == whole)
      #expect(try measure(set, memory: 3 * spectrum) == whole)
    }

    @Test func averagesAreComparedInsideTheDisc() throws {
      let set = try SyntheticSet()
      let side = SyntheticSet.side
      var averages = SyntheticSet.pictures.map { $0.pixels(side: side) }
      averages[1] = averages[1].map { 5 - 2 * $0 }
      averages[2] = averages[2].map { _ in 3 }
      // Outside the disc anything may stand.
      for corner in [0, side - 1, side * side - 1] { averages[3][corner] = 1e6 }
      try set.writeStack("averages.mrcs", averages)
      let summary = try measure(set)
      // Correlations 1, -1, 0, 1.
      #expect(summary.averages == 4)
      #expect(abs(try #require(summary.averageCorrelationMedian) - 0.5) < 1e-6)
      #expect(abs(try #require(summary.averageCorrelationLowerQuartile) + 0.25) < 1e-6)
      #expect(abs(try #require(summary.averageCorrelationUpperQuartile) - 1) < 1e-6)
    }

    /// The correlation against its definition, summed directly over exact values of the pictures.
    @Test(arguments: [32, 33])
    func correlationIsPearsonsInTheDisc(side: Int) throws {
      let spectra = PolarSpectra(side: side)
      func spectrum(_ picture: Picture) -> [Float] {
        var values = [Float](repeating: 0, count: spectra.count)
        picture.pixels(side: side).withUnsafeBufferPointer { pixels in
          values.withUnsafeMutableBufferPointer { spectra.analyse(pixels, into: $0.baseAddress!) }
        }
        return values
      }
      for isReflected in [false, true] {
        let other = isReflected ? Picture.second.mirrored : Picture.second
        let reference = standardisedPolarSamples(of: .first, rings: side / 2)
        let direct = (0..<360).map { turn in
          let turned = standardisedPolarSamples(of: other.turned(Double(turn)), rings: side / 2)
          return reference.indices.reduce(0) { $0 + reference[$1] * turned[$1] }
        }
        let best = direct.indices.max { direct[$0] < direct[$1] }!
        let found = spectra.align(
          spectrum(.first), spectrum(.second), isReflected: isReflected)
        #expect(abs(Double(found.correlation) - direct[best]) < 2e-3)
        let turn = found.rotation
        #expect(angularDistance(turn, Float(best)) <= 0.6)
      }
    }

    /// Exact values of a picture on rings, weighted by the square root of the area they stand for, with
    /// the mean over the disc removed and of unit norm.
    private func standardisedPolarSamples(of picture: Picture, rings: Int) -> [Double] {
      let angles = 120
      var values: [Double] = []
      var radii: [Double] = []
      for ring in 0..<rings {
        let radius = Double(ring) + 0.5
        for t in 0..<angles {
          let angle = 2 * Double.pi * Double(t) / Double(angles)
          radii.append(radius)
          values.append(picture.value(radius * cos(angle), radius * sin(angle)))
        }
      }
      var sum = 0.0
      for k in values.indices { sum += radii[k] * values[k] }
      let mean = sum / radii.reduce(0, +)
      for k in values.indices { values[k] = (values[k] - mean) * radii[k].squareRoot() }
      let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return values.map { $0 / norm }
    }

    @Test func constantImagesCorrelateWithNothing() {
      let spectra = PolarSpectra(side: 16)
      var values = [Float](repeating: 1, count: spectra.count)
      [Float](repeating: 0.1, count: 256).withUnsafeBufferPointer { pixels in
        values.withUnsafeMutableBufferPointer { spectra.analyse(pixels, into: $0.baseAddress!) }
      }
      #expect(values.allSatisfy { $0 == 0 })
    }

    @Test func summaryIsOneJSONObject() throws {
      let summary = EvaluationSummary(
        images: 1000, neighbours: 1, correlations: [0.95, 0.5, 0.9], angles: [4.5, 180, 12],
        rotationErrors: [0.5], averageCorrelations: nil)
      #expect(summary.trueNeighbours == 1)
      let object = try JSONSerialization.jsonObject(with: Data(summary.json().utf8))
      let values = try #require(object as? [String: Any])
      #expect(values["above_0.9"] as? Int == 1)
      #expect(values["median_angle_deg"] as? Double == 12)
      #expect(values["averages"] == nil)
      #expect((values["angle_histogram_1_deg"] as? [Int])?[179] == 1)
    }

    @Test func quantilesInterpolateAsNumPyDoes() {
      // numpy.quantile([1, 2, 4, 8], [0.25, 0.5, 0.9]) = 1.75, 3, 6.8
      let values = [1.0, 2, 4, 8]
      #expect(quantile(0.25, ofSorted: values) == 1.75)
      #expect(quantile(0.5, ofSorted: values) == 3)
      #expect(abs(quantile(0.9, ofSorted: values)! - 6.8) < 1e-12)
      #expect(quantile(0.5, ofSorted: [Float]()) == nil)
    }
  }
}
