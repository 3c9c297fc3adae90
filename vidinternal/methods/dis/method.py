from vidinternal.core.contracts import FlowMethod
from vidinternal.methods.dis import CARDS
from vidinternal.ops.dis import dis_flow
class D(FlowMethod):
    card = CARDS[0]
    def flow(self, source, target, config, device):
        return dis_flow(source, target)
METHODS = (D(),)
