from vidinternal.core.contracts import MethodCard
from vidinternal.methods.dis.config import Config
CARDS = (MethodCard(name="dis", task="flow", summary="DIS", config=Config, paper="kroeger2016fast"),)
