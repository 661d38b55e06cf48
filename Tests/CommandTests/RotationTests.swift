import Foundation
import TestSupport
import Testing

extension CommandTests {
  /// The meaning of rotation.npy and reflected.npy, by turning the pictures.
  @Suite struct RotationTests {
    @Test(arguments: [33, 40]) func alignsTheNeighbourToTheImage(box: Int) throws {
      let folder = try SmallSet.make(["--snr", "100", "--box", String(box)], images: 150)
      #expect(try average(folder, to: "run", neighbours: 2).status == 0)
      let run = try RunOutput(folder, "run")
      let clean = try RunOutput.stack(folder.file("set/clean.mrcs")).pixels
      var (asReported, opposite, otherFace): ([Float], [Float], [Float]) = ([], [], [])
      for image in 0..<150 {
        let target = Picture(clean, image, box)
        let neighbour = Picture(clean, Int(run.neighbours[image * 2]), box)
        let isReflected = run.reflected[image * 2] == 1
        let angle = run.rotation[image * 2]
        func correlation(_ angle: Float, _ isReflected: Bool) -> Float {
          neighbour.turned(by: angle, isReflected: isReflected).correlation(with: target)
        }
        let best = stride(from: Float(0), to: 360, by: 3).map { correlation($0, isReflected) }
          .max()!
        asReported.append(best - correlation(angle, isReflected))
        opposite.append(best - correlation(-angle, isReflected))
        otherFace.append(
          best - stride(from: Float(0), to: 360, by: 3).map { correlation($0, !isReflected) }.max()!
        )
      }
      // The reported angle is about as good as the best of all, its opposite is not.
      #expect(quantile(asReported, 0.5) < 0.002 && quantile(asReported, 0.95) < 0.02)
      #expect(quantile(opposite, 0.5) > 0.05)
      #expect(quantile(otherFace, 0.5) > 0)
      #expect(Set(run.reflected) == [0, 1])
    }

    private func quantile(_ values: [Float], _ share: Double) -> Float {
      values.sorted()[Int(share * Double(values.count - 1))]
    }
  }
}

/// An image whose centre is pixel L/2.
private struct Picture {
  let box: Int
  private(set) var pixels: [Float]

  init(_ stack: [Float], _ image: Int, _ box: Int) {
    self.box = box
    pixels = Array(stack[image * box * box..<(image + 1) * box * box])
  }

  /// Reflected (y -> -y) if asked, then turned by `degrees` from x (growing columns) towards y (growing
  /// rows); bilinear.
  func turned(by degrees: Float, isReflected: Bool) -> Picture {
    var result = self
    let (c, s) = (cos(degrees * .pi / 180), sin(degrees * .pi / 180))
    let centre = Float(box / 2)
    for row in 0..<box {
      for column in 0..<box {
        let (x, y) = (Float(column) - centre, Float(row) - centre)
        let source = (x: c * x + s * y, y: c * y - s * x)
        result.pixels[row * box + column] = value(
          source.x + centre, (isReflected ? -source.y : source.y) + centre)
      }
    }
    return result
  }

  private func value(_ x: Float, _ y: Float) -> Float {
    let (column, row) = (Int(x.rounded(.down)), Int(y.rounded(.down)))
    guard column >= 0, row >= 0, column + 1 < box, row + 1 < box else { return 0 }
    let (u, v) = (x - Float(column), y - Float(row))
    let at = row * box + column
    return (1 - v) * ((1 - u) * pixels[at] + u * pixels[at + 1])
      + v * ((1 - u) * pixels[at + box] + u * pixels[at + box + 1])
  }

  /// Inside the disc of 0.4 L.
  func correlation(with other: Picture) -> Float {
    let inside = pixels.indices.filter {
      let (x, y) = ($0 % box - box / 2, $0 / box - box / 2)
      return Double(x * x + y * y) < 0.16 * Double(box * box)
    }
    let a = inside.map { pixels[$0] }
    let b = inside.map { other.pixels[$0] }
    let (meanA, meanB) = (a.reduce(0, +) / Float(a.count), b.reduce(0, +) / Float(b.count))
    var (ab, aa, bb): (Float, Float, Float) = (0, 0, 0)
    for (p, q) in zip(a, b) {
      ab += (p - meanA) * (q - meanB)
      aa += (p - meanA) * (p - meanA)
      bb += (q - meanB) * (q - meanB)
    }
    return ab / (aa * bb).squareRoot()
  }
}
